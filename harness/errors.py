"""The error that its reader must mend: one line that names the place, the value and the way out."""


class UserError(Exception):
    """Bad input. The command line prints its message on one line and ends with exit code 2."""


class Interrupted(Exception):
    """The work was cut off and can be resumed; the command line ends with exit code 130."""
