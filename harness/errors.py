"""How work ends other than well: by what its user must mend, or by being cut off."""

import errno

MEND = 2
"""Exit code of what its user must mend."""

INTERRUPTED = 130
"""Exit code of work that was cut off and can be resumed."""


OF_THE_MACHINE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EIO,
    errno.ESTALE,
    errno.EBUSY,
    errno.EMFILE,
    errno.ENFILE,
)
"""Errors of the system that the place where a command works is to blame for: its user mends them."""


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of a disk on which no trial can go on."""

CUT_OFF = "interrupted"
"""How the line begins of work that a signal cut off."""


class UserError(Exception):
    """Bad input. The command line prints its message on one line and ends with exit code 2."""


class Interrupted(Exception):  # noqa: N818  # no error: the work goes on when it is resumed
    """The work was cut off and can be resumed; the command line ends with exit code ``INTERRUPTED``."""


def cut_off_by(error: BaseException | None) -> KeyboardInterrupt | Interrupted | None:
    """Return the interrupt that an error is, or that was on its way out when it came up; null if there is none."""
    while error is not None and not isinstance(error, KeyboardInterrupt | Interrupted):
        error = error.__context__
    return error
