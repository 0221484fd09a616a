"""What one job does in one process: train the network, or attack it; knows no scheduler."""
