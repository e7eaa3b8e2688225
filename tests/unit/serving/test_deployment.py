"""Files of a deployment: what they promise stands in them, and the programs that read them take them."""

import configparser
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chartune.serving.asked import Limits

DEPLOY = Path(__file__).parents[3] / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


class Unit(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture(scope="module")
def unit() -> configparser.SectionProxy:
    parser = Unit(strict=False, delimiters=("=",))
    parser.read(DEPLOY / "chartune.service")
    return parser["Service"]


def test_the_image_runs_as_nobody_in_particular_from_a_pinned_base_and_what_was_built() -> None:
    words = re.findall(r"^([A-Z]+) (.*)$", DOCKERFILE, re.M)
    bases = [argument.split()[0] for word, argument in words if word == "FROM"]
    assert all(re.fullmatch(r"python:3\.1[1-3]\.\d+-slim-\w+", base) for base in bases)
    assert [argument for word, argument in words if word == "USER"] == ["10001:10001"]
    assert not {word for word, _ in words} & {"ADD", "VOLUME"}
    assert "/livez" in DOCKERFILE.split("HEALTHCHECK", 1)[1]
    copied = [part for word, argument in words if word == "COPY" and "--from" not in argument
              for part in argument.split()[:-1]]  # fmt: skip
    assert all((DEPLOY.parent / part).exists() for part in copied)
    assert json.loads(DOCKERFILE.split("ENTRYPOINT ", 1)[1].split("\n")[0])[:2] == ["chartune", "serve"]


def test_the_unit_leaves_no_trace_of_notes_and_calls_nobody(unit: configparser.SectionProxy) -> None:
    assert (unit["MemorySwapMax"], unit["LimitCORE"], unit["UMask"]) == ("0", "0", "0077")
    assert (unit["IPAddressDeny"], unit["IPAddressAllow"]) == ("any", "localhost")
    assert (unit["ProtectSystem"], unit["NoNewPrivileges"], unit["CapabilityBoundingSet"]) == ("strict", "yes", "")
    assert unit["KillSignal"] == "SIGTERM"
    assert int(unit["TimeoutStopSec"]) >= 60
    assert unit["ExecReload"].endswith("-HUP $MAINPID")


def test_commands_of_the_files_are_commands_of_chartune(unit: configparser.SectionProxy) -> None:
    image = json.loads(DOCKERFILE.split("\nCMD ", 1)[1].split("\n")[0])
    said = subprocess.run([sys.executable, "-m", "chartune", "serve", "--help"], capture_output=True, text=True,
                          check=True, env={"COLUMNS": "200", "TERM": "dumb"}).stdout  # fmt: skip
    flags = {word for word in (*image, *unit["ExecStart"].split()) if word.startswith("--")}
    assert flags
    assert {flag for flag in flags if flag not in said} == set()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit_and_rates_it_as_guarded() -> None:
    file = str(DEPLOY / "chartune.service")
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False)
    problems = [line for line in said.stderr.splitlines() if "chartune.service" in line]
    assert [line for line in problems if "is not executable" not in line] == []
    rated = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", file],
                           capture_output=True, text=True, check=False)  # fmt: skip
    assert rated.returncode == 0, rated.stdout[-400:]


def test_the_proxy_passes_what_the_service_takes_and_writes_no_note_to_the_disk() -> None:
    conf = (DEPLOY / "nginx.conf").read_text()
    assert Limits().body == 2 << 20
    for line in ("client_max_body_size 2m;", "client_body_buffer_size 2m;", "proxy_max_temp_file_size 0;",
                 "access_log off;"):  # fmt: skip
        assert line in conf
    assert len(re.findall(r"server 127\.0\.0\.1:\d+ ", conf)) == 2


@pytest.mark.skipif(not (shutil.which("nginx") and shutil.which("openssl")), reason="nginx or openssl is missing")
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    key, certificate = tmp_path / "tls.key", tmp_path / "tls.crt"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*made, "-subj", "/CN=x", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    conf = (DEPLOY / "nginx.conf").read_text()
    conf = conf.replace("/etc/chartune/", f"{tmp_path}/").replace("/run/", f"{tmp_path}/")
    (tmp_path / "nginx.conf").write_text(conf)
    said = subprocess.run(["nginx", "-t", "-c", tmp_path / "nginx.conf", "-e", tmp_path / "log"], capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert said.returncode == 0, said.stderr


class _Full(BaseHTTPRequestHandler):
    """Full at first, then answers; refuses without a key."""

    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        known = self.headers["Authorization"] == "Bearer ct_x"
        status = 401 if not known else 429 if self.asked == 1 else 503 if self.asked == 2 else 200
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        rows = [{"id": note["id"], "task": "stay"} for note in body["notes"]]
        said = json.dumps({"rows": rows} if status == 200 else {"error": "a request must have a key"}).encode()
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def full() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Full) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_client_asks_again_when_it_is_said_to_and_says_why_it_was_refused(full: str) -> None:
    command = [sys.executable, str(DEPLOY / "client.py"), full, "stay"]
    ways = [subprocess.run(command, input="a note", capture_output=True, text=True, check=False, env=env)
            for env in ({"CHARTUNE_KEY": "ct_x"}, {})]  # fmt: skip
    assert json.loads(ways[0].stdout) == {"id": 0, "task": "stay"}, ways[0].stderr
    assert _Full.asked == 4
    assert (ways[1].returncode, ways[1].stderr) == (1, "401: a request must have a key\n")
