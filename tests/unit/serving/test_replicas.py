"""Two replicas behind nginx: the same answers from both, one that dies or is replaced loses nobody's request."""

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from typing import Any

import pytest

from chartune.testing.served_runs import Served, notes

DEPLOY = Path(__file__).parents[3] / "deploy"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed"),
]


def client() -> Any:
    spec = importlib.util.spec_from_file_location("client", DEPLOY / "client.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    with create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


@contextmanager
def replica(served: Served, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "chartune", "serve", "rslora", "--port", str(port), "--json"]
    command += ["--store", str(served.store.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while (line := process.stdout.readline()) != "}\n":
            assert line, process.communicate()[1]
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def balanced(folder: Path, ports: list[int]) -> Iterator[str]:
    """Nginx by the file that is shipped, without its TLS."""
    conf, port = (DEPLOY / "nginx.conf").read_text(), free_port()
    for shipped, own in zip((8400, 8401), ports, strict=True):
        conf = conf.replace(f"127.0.0.1:{shipped} ", f"127.0.0.1:{own} ")
    conf = conf.replace("listen 8443 ssl;", f"listen 127.0.0.1:{port};").replace("/run/nginx.pid", f"{folder}/pid")
    conf = "\n".join(line for line in conf.splitlines() if "ssl_" not in line)
    (folder / "nginx.conf").write_text(conf)
    command = ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "log"), "-g", "daemon off;"]
    with subprocess.Popen(command) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_one_replica_dies_and_one_is_replaced_and_every_request_is_answered(served: Served, tmp_path: Path) -> None:
    ask, ports, texts = client(), [free_port(), free_port()], notes(8, seed=2)
    with replica(served, ports[0]) as first, replica(served, ports[1]) as second, balanced(tmp_path, ports) as address:
        alone = [ask.score(f"http://127.0.0.1:{port}", texts, ["rslora"]) for port in ports]
        assert json.dumps(alone[0]) == json.dumps(alone[1])
        answers: list[Any] = []
        refused: list[Exception] = []
        ends = threading.Event()

        def asking() -> None:
            try:
                while not ends.is_set():
                    answers.append(ask.score(address, texts, ["rslora"]))
            except (ValueError, TimeoutError) as error:
                refused.append(error)

        def further(count: int) -> None:
            """Wait for so many answers more."""
            done, end = len(answers), time.monotonic() + 120
            while len(answers) < done + count:
                assert not refused
                assert time.monotonic() < end
                time.sleep(0.05)

        clients = [threading.Thread(target=asking) for _ in range(2)]
        for one in clients:
            one.start()
        try:
            further(4)
            first.send_signal(signal.SIGTERM)  # replaced in order
            assert first.wait(120) == 0
            with replica(served, ports[0]):
                further(4)
                second.kill()  # dies amid requests
                further(4)
                ends.set()
                for one in clients:
                    one.join(120)
        finally:
            ends.set()
        assert not refused
        assert all(json.dumps(answer) == json.dumps(alone[0]) for answer in answers)
