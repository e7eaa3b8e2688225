"""Listening: the service on a port of this machine, until a signal ends it; what was accepted is answered first."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import uvicorn

from chartune.errors import ConfigError
from chartune.serving.asked import Limits
from chartune.serving.bank import Bank
from chartune.serving.queue import Queue
from chartune.serving.service import service


class _Server(uvicorn.Server):
    """As uvicorn's, whose end by a signal is an end in order, and not the signal's once more."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT: no new connection, open requests are answered, then the queue is emptied."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def must_be_loopback(host: str) -> None:
    """Refuse an address that others can reach: there are no keys yet. Raises ConfigError."""
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise ConfigError(
            f"--host must be of this machine alone (127.0.0.1, ::1), because requests need no key, but is "
            f"{ascii(host)[:60]}; put a reverse proxy with keys and TLS in front of it."
        )


def listen(bank: Bank, limits: Limits, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        bank: with its tasks.
        limits: of requests.
        host: a loopback address.
        port: 0: any that is free.
        ready: is told the address once connections are accepted.

    Raises:
        ConfigError: the address is not of this machine alone, or taken.
    """
    must_be_loopback(host)
    with _bound(host, port) as bound:
        app = service(bank, limits, Queue(bank, limits.queue))
        server = _Server(uvicorn.Config(app, access_log=False, log_level="warning", server_header=False))
        place = bound.getsockname()
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
