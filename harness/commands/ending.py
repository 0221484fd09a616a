"""How work is cut off: by whichever signal, once or twice, it ends within seconds, and can be resumed."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import psutil

from harness.errors import CUT_OFF, INTERRUPTED, Interrupted

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C; a scheduler's end; what Slurm sends before a time limit; a terminal that was closed."""

ENDING_SECONDS = 45.0
"""Longest time from a signal to the end: workers are told at once, a server that does not answer is left then."""


@contextlib.contextmanager
def terminable(way: str) -> Iterator[None]:
    """Let any of ``SIGNALS`` end the body as Ctrl-C does; further ones change nothing, it is ending already.

    A signal that this process was told to ignore, as by ``nohup``, stays ignored.

    Args:
        way: How to go on, a clause.
    """
    ending = _Ending(way)
    heard = {each: signal.getsignal(each) for each in SIGNALS}
    for each, handler in heard.items():
        if handler != signal.SIG_IGN:
            signal.signal(each, ending.cut_off)
    try:
        yield
    except SystemExit as end:  # Ray's own handler, while Ray starts
        if end.code != signal.SIGTERM:
            raise
        raise Interrupted(f"ended by SIGTERM; {way}") from None
    except Interrupted as end:
        raise Interrupted(str(end).replace(CUT_OFF, ending.cause, 1)) from end.__cause__
    finally:
        ending.over()
        for each, handler in heard.items():
            signal.signal(each, handler)


class _Ending:
    """The end of one piece of work."""

    def __init__(self, way: str) -> None:
        self._way = way
        self._watchdog = threading.Timer(ENDING_SECONDS, self._leave)
        self._watchdog.daemon = True
        self._begun = False
        self.cause = CUT_OFF

    def cut_off(self, number: int, frame: FrameType | None) -> None:
        """End the work; later calls change nothing."""
        if self._begun:
            return
        self._begun = True
        self._watchdog.start()
        if number != signal.SIGINT:
            self.cause = f"ended by {signal.Signals(number).name}"
        raise KeyboardInterrupt

    def over(self) -> None:
        """The work has ended by itself."""
        self._begun = True
        self._watchdog.cancel()

    def _leave(self) -> None:
        """End this process and its children, whatever they wait for."""
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
        with contextlib.suppress(OSError):
            os.write(sys.stderr.fileno(), f"invfront: {self.cause}; {self._way}\n".encode())
        os._exit(INTERRUPTED)
