"""How work ends other than well: by what its user must mend, or by being cut off."""

MEND = 2
"""Exit code of what its user must mend."""

INTERRUPTED = 130
"""Exit code of work that was cut off and can be resumed."""


CUT_OFF = "interrupted"
"""How the line begins of work that a signal cut off."""


class UserError(Exception):
    """Bad input. The command line prints its message on one line and ends with exit code 2."""


class Interrupted(Exception):  # noqa: N818  # no error: the work goes on when it is resumed
    """The work was cut off and can be resumed; the command line ends with exit code ``INTERRUPTED``."""
