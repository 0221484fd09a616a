"""Jobs on Ray: the connection, Ray Tune's side and a trial's side."""
