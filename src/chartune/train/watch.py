"""Watch: a thread that takes a reading every so many seconds while something else is done."""

import threading
from collections.abc import Callable


class Watch:
    """Takes readings from `start` to `stop`, the first at once."""

    def __init__(self, read: Callable[[], None], interval: float) -> None:
        """Say what is read.

        Args:
            read: takes a reading; it must not raise.
            interval: seconds between two.
        """
        self._read, self._interval = read, interval
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after a reading that has begun."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._read()
            if self._done.wait(self._interval):
                return
