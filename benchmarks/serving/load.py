"""Load: requests over HTTP to a service in a process of its own, whose processor time and memory are looked at."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from chartune.store import Store


@dataclass(frozen=True)
class Service:
    """A service that is running."""

    address: str
    process: psutil.Process

    def cpu(self) -> float:
        """Seconds of the processor until now."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def resident(self) -> float:
        """MB."""
        return float(self.process.memory_info().rss / 1e6)


@dataclass(frozen=True)
class Answered:
    """One request."""

    status: int
    seconds: float
    headed: bool
    """Whether it says when to come again."""


@contextmanager
def chartune(store: Store, runs: Sequence[str], *words: str) -> Iterator[Service]:
    """`chartune serve` of these runs."""
    command = [sys.executable, "-m", "chartune", "serve", *runs, "--port", "0", "--json", "--store", str(store.root)]
    with started([*command, *words]) as service:
        yield service


@contextmanager
def started(command: Sequence[str]) -> Iterator[Service]:
    """A program that prints JSON with its address when it is ready."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            said = ""
            for line in process.stdout or ():
                said += line
                if line == "}\n":
                    break
            yield Service(json.loads(said)["address"], psutil.Process(process.pid))
        finally:
            process.kill()


async def post(address: str, path: str, body: bytes) -> Answered:
    """One request on a connection of its own."""
    place, began = urlsplit(address), time.perf_counter()
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    headed = b"\r\nretry-after:" in answer.split(b"\r\n\r\n", 1)[0].lower()
    return Answered(int(answer.split(b" ", 2)[1]), time.perf_counter() - began, headed)


async def closed(address: str, path: str, bodies: Sequence[bytes], clients: int) -> list[Answered]:
    """All of them, each client one after the other: as fast as the service answers."""
    left, made = list(reversed(bodies)), list[Answered]()

    async def client() -> None:
        while left:
            made.append(await post(address, path, left.pop()))

    await asyncio.gather(*(client() for _ in range(clients)))
    return made


async def opened(address: str, path: str, bodies: Sequence[bytes], rate: float) -> list[Answered]:
    """So many a second, whether the service keeps up or not."""
    began, sent = time.perf_counter(), []
    for number, body in enumerate(bodies):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        sent.append(asyncio.create_task(post(address, path, body)))
    return await asyncio.gather(*sent)
