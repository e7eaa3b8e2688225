"""Ending: a signal lets the step that is under way end, a checkpoint is written, then it does what it does elsewhere.

    SIGINT, SIGTERM ─▶ noted ─▶ step ends ─▶ checkpoint ─▶ KeyboardInterrupt, or whatever handled it before
                         └─ a second one ends at once, without a checkpoint

An evaluation is broken off, because a batch system waits for seconds only before it kills: the resumed run repeats it.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
NOTED: Final = b"\nending: a checkpoint is written when this step has been done; a second signal ends at once\n"


class BrokenOff(BaseException):
    """An evaluation was broken off by a signal."""


class Ending:
    """Whether a signal has asked training to end."""

    def __init__(self) -> None:
        self.asked: int | None = None
        """Number of the signal; None: nobody has asked."""
        self._before: dict[int, Any] = {}
        self._breakable = False

    @contextmanager
    def noted(self) -> Iterator["Ending"]:
        """Meanwhile signals are noted; one that is ignored, as by `nohup`, stays ignored.

        Python delivers signals to the main thread alone: in another one nothing changes.
        """
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if callable(signal.getsignal(number)) or signal.getsignal(number) is signal.SIG_DFL:
                    self._before[number] = signal.signal(number, self._note)
        try:
            yield self
        finally:
            self._restore()
        self.end()  # a signal after the last step is not lost

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """What is done meanwhile is broken off. Raises BrokenOff: by a signal."""
        self._breakable = True
        try:
            if self.asked is not None:
                raise BrokenOff
            yield
        finally:
            self._breakable = False

    def end(self) -> None:
        """Do what the signal does elsewhere, if one has come: raises KeyboardInterrupt, SystemExit, or is the end."""
        if self.asked is not None:
            self._restore()
            signal.raise_signal(self.asked)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None:
            self.asked = number
            self.end()
        self.asked = number
        with contextlib.suppress(OSError):  # past Python's buffer, in which the signal may have come
            os.write(2, NOTED)
        if self._breakable:
            raise BrokenOff

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)
