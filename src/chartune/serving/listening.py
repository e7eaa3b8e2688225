"""Listening: the service on a port of this machine, until a signal ends it; what was accepted is answered first."""

import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import uvicorn

from chartune.errors import ConfigError
from chartune.log import say
from chartune.serving.asked import Limits
from chartune.serving.audit import AuditLog
from chartune.serving.bank import Bank
from chartune.serving.keys import Keys
from chartune.serving.queue import Queue
from chartune.serving.reloading import NO_FILE, Reloading
from chartune.serving.service import service
from chartune.serving.watch import Watch

REMINDER: Final = (
    "reminder: others can reach this address, and notes and keys go over it as they are: TLS is a reverse proxy's; let "
    "nobody but that reach it."
)


class _Server(uvicorn.Server):
    """As uvicorn's, whose end by a signal is an end in order, and not the signal's once more."""

    reloading: Reloading | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT: no new connection, open requests are answered, then the queue is emptied.

        SIGHUP: the file of the bank is read again; of one without a file nothing is.
        """
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._hung_up)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hung_up(self, *_: object) -> None:
        if self.reloading is None:
            say(f"warning: {NO_FILE}")
        else:
            self.reloading.signalled()


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def must_be_guarded(host: str, keyed: bool) -> None:
    """Refuse an address that others can reach where requests need no key. Raises ConfigError."""
    if not keyed and not is_loopback(host):
        raise ConfigError(
            f"--host must be of this machine alone (127.0.0.1, ::1), because requests need no key, but is "
            f"{ascii(host)[:60]}; give --keys (`chartune serve-key` makes them)."
        )


def listen(
    bank: Bank, limits: Limits, host: str, port: int, ready: Callable[[str], None], keys: Keys | None = None,
    log: AuditLog | None = None, reloading: Reloading | None = None, files: Sequence[Path] = (),
) -> None:  # fmt: skip
    """Serve until SIGTERM or SIGINT.

    Args:
        bank: with its tasks.
        limits: of requests.
        host: a loopback address, or with keys any.
        port: 0: any that is free.
        ready: is told the address once connections are accepted.
        keys: that requests must have; None: none.
        log: of requests; None: none is written.
        reloading: the file of the bank; None: it has none.
        files: of `chartune monitor --metrics`, shown with the metrics.

    Raises:
        ConfigError: the address is not of this machine alone and there are no keys, or it is taken.
    """
    must_be_guarded(host, keys is not None)
    with _bound(host, port) as bound:
        queue = Queue(bank, limits.queue)
        app = service(bank, limits, queue, keys, log, reloading, Watch(bank.store, queue.metrics.registry), files)
        server = _Server(uvicorn.Config(app, access_log=False, log_level="warning", server_header=False))
        server.reloading = reloading
        place = bound.getsockname()
        if not is_loopback(place[0]):
            say(REMINDER)
        ready(f"http://{f'[{place[0]}]' if ':' in place[0] else place[0]}:{place[1]}")
        server.run(sockets=[bound])


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
            bound.listen(128)
        except OSError as error:
            raise ConfigError(f"{host}:{port} must be free, but is not ({error.strerror}); choose --port.") from None
        yield bound
