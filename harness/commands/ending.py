"""How work is cut off: by whichever signal, once or twice, it ends within seconds, and can be resumed."""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import psutil

from harness.errors import CUT_OFF, INTERRUPTED, Interrupted, cut_off_by

_LOG = logging.getLogger(__name__)

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C; a scheduler's end; what Slurm sends before a time limit; a terminal that was closed."""

AGAIN_SECONDS = 2.0
"""Between two interrupts of work that goes on as if there had been none."""

Handler = Callable[[int, FrameType | None], Any] | int | None
"""What a process does on a signal, as Python's ``signal`` tells it."""

ENDING_SECONDS = 45.0
"""Longest time from a signal to the end: workers are told at once, a server that does not answer is left then."""


@contextlib.contextmanager
def terminable(way: Callable[[], str]) -> Iterator[None]:
    """Let any of ``SIGNALS`` end the body as Ctrl-C does; further ones change nothing, it is ending already.

    A signal that this process was told to ignore, as by ``nohup``, stays ignored.

    Args:
        way: Says how to go on, a clause.
    """
    ending = _Ending(way)
    before = _heard(ending.cut_off)
    try:
        with ending.in_earnest():
            yield
    except SystemExit as end:  # Ray's own handler, while Ray starts
        if end.code != signal.SIGTERM:
            raise
        raise Interrupted(f"ended by SIGTERM; {way()}") from None
    except Exception as error:
        first = cut_off_by(error)
        if first is None:
            raise
        if first is not error:  # a part that was to be ended was gone already
            _LOG.warning("while the work ended: %s: %s", type(error).__name__, error)
        said = str(first) if isinstance(first, Interrupted) else f"{CUT_OFF}; {way()}"
        raise Interrupted(said.replace(CUT_OFF, ending.cause, 1)) from error
    finally:
        ending.over()
        for each, handler in before.items():
            signal.signal(each, handler)


@contextlib.contextmanager
def interruptible(last: bool = False) -> Iterator[None]:
    """Let any of ``SIGNALS`` interrupt the body as Ctrl-C does: nothing is under way in it that has to end well.

    Args:
        last: Whether this process ends after the body: no signal changes anything then.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupt = _Interrupt()
    before = _heard(interrupt.hear)
    try:
        with interrupt.in_earnest():
            yield
    finally:
        for each, handler in before.items():
            signal.signal(each, signal.SIG_IGN if last else handler)


def end_with(code: int) -> None:
    """Let ``SIGNALS`` change nothing any more: this process has said how it ended, and ends within seconds.

    Args:
        code: Its exit code, also if it is held up.
    """
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # a handler of Python's would be gone before the process is
    watchdog = threading.Timer(ENDING_SECONDS, os._exit, (code,))
    watchdog.daemon = True
    watchdog.start()


def _heard(handler: Callable[[int, FrameType | None], None]) -> dict[int, Handler]:
    """Set a handler for ``SIGNALS``; return those of before. What this process was told to ignore stays ignored."""
    before = {each: signal.getsignal(each) for each in SIGNALS}
    before = {each: was for each, was in before.items() if was not in (None, signal.SIG_IGN)}
    for each in before:
        signal.signal(each, handler)
    return before


class _Interrupt:
    """Ctrl-C, once: what comes after it changes nothing while the body is ending.

    An interrupt can be lost: in a finaliser, from which Python lets nothing out, or in a package's C code that clears
    what a callback raised. So it is raised again until the body ends.
    """

    def __init__(self) -> None:
        self._heard = False
        self._settled = threading.Event()
        """Set once the body has ended, or is seen to be ending."""

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the body, unless it is ending for that already: what runs then are the clauses and context managers
        that the first interrupt meets on its way out.
        """
        if self._heard and cut_off_by(sys.exc_info()[1]) is not None:
            self._settled.set()
        if self._settled.is_set():
            return
        if not self._heard:
            self._heard = True
            threading.Thread(target=self._insist, args=(number,), daemon=True).start()
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def in_earnest(self) -> Iterator[None]:
        """Have the body interrupted, whatever is in the way."""
        before = sys.unraisablehook

        def lost(unraisable: "sys.UnraisableHookArgs") -> None:
            if not (self._heard and issubclass(unraisable.exc_type, KeyboardInterrupt)):
                before(unraisable)

        sys.unraisablehook = lost
        try:
            yield
        finally:
            self._settled.set()
            sys.unraisablehook = before

    def _insist(self, number: int) -> None:
        while not self._settled.wait(AGAIN_SECONDS):
            os.kill(os.getpid(), number)


class _Ending(_Interrupt):
    """The end of one piece of work."""

    def __init__(self, way: Callable[[], str]) -> None:
        super().__init__()
        self._way = way
        self._watchdog = threading.Timer(ENDING_SECONDS, self._leave)
        self._watchdog.daemon = True
        self.cause = CUT_OFF

    def cut_off(self, number: int, frame: FrameType | None) -> None:
        """End the work; later calls change nothing."""
        if not (self._heard or self._settled.is_set()):
            self._watchdog.start()
            if number != signal.SIGINT:
                self.cause = f"ended by {signal.Signals(number).name}"
        self.hear(number, frame)

    def over(self) -> None:
        """The work has ended by itself."""
        self._settled.set()
        self._watchdog.cancel()

    def _leave(self) -> None:
        """End this process and its children, whatever they wait for."""
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
        with contextlib.suppress(OSError):
            os.write(sys.stderr.fileno(), f"invfront: {self.cause}; {self._way()}\n".encode())
        os._exit(INTERRUPTED)
