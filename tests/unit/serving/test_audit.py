"""The audit log: a line before each answer, chained, private, whole after a kill; without it no answer."""

import errno
import json
import os
import resource
from pathlib import Path
from typing import Any, Final

import pytest

from chartune.errors import ConfigError, StoreError
from chartune.serving.asked import Limits
from chartune.serving.audit import NOTHING, AuditLog, Chain, verified
from chartune.serving.bank import Bank
from chartune.serving.bank_file import bank_of, named_runs
from chartune.serving.gate import OPEN
from chartune.serving.keys import Keys, new_key
from chartune.serving.queue import Queue
from chartune.serving.service import service
from chartune.testing.asked import ask
from chartune.testing.command_line import chartune
from chartune.testing.served_runs import Served

RARE: Final = "zebrafinch"
SCORED: Final[dict[str, Any]] = {"notes": [{"id": RARE, "text": f"{RARE} fall"}, {"text": RARE}], "tasks": ["rslora"]}


@pytest.fixture(scope="module")
def bank(served: Served) -> Bank:
    return bank_of(named_runs(["rslora", "lora"], served.store), served.store)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_request_is_recorded_by_key_tasks_and_hashes_and_without_its_words(
    bank: Bank, file: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.yaml"
    own = {"Authorization": f"Bearer {new_key(keys, 'ward', ['rslora'], [])}"}
    log = AuditLog(file)
    app = service(bank, Limits(), Queue(bank, 10_000), Keys(keys), log)
    said = ask(app, "POST", "/v1/score", SCORED, headers=own)
    for _ in range(3):
        assert ask(app, "POST", "/v1/score", SCORED, headers={"Authorization": f"Bearer {RARE}"}).status == 401
    missing = ask(app, "POST", "/v1/score", {**SCORED, "tasks": [RARE]}, headers=own)
    assert ask(app, "GET", f"/{RARE}", headers=own).status == 404
    assert ask(app, "POST", "/v1/explain", SCORED, headers=own).status == 403
    for path in (*OPEN, "/readyz", "/metrics"):
        ask(app, "GET", path, headers=own)
    log.close()
    first, second, third, fourth = lines(file)
    assert said.status == 200
    assert said.body["request"] == said.headers["x-request-id"] == first["request"]
    assert missing.headers["x-request-id"] == second["request"]
    row = said.body["rows"][0]
    assert first["tasks"] == {"rslora": {"model": row["model"], "adapter": row["adapter"]}}
    assert (first["key"], first["route"], first["notes"], first["status"]) == ("ward", "/v1/score", 2, 200)
    assert 0 < first["seconds"] < 60
    assert "denied" not in first
    assert (second["status"], second["tasks"], second["notes"], second["denied"]) == (404, {}, 0, 3)
    assert (third["route"], third["status"], fourth["route"], fourth["status"]) == ("other", 404, "other", 403)
    assert "denied" not in third
    assert RARE not in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o600
    assert verified(file).lines == 4


def test_lines_are_on_the_disk_before_the_answer_begins(
    bank: Bank, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, order = AuditLog(file), list[str]()
    sync = os.fdatasync

    def noted_sync(handle: int) -> None:
        sync(handle)
        order.append("disk")

    monkeypatch.setattr(os, "fdatasync", noted_sync)
    app = service(bank, Limits(), Queue(bank, 10_000), None, log)

    async def watching(scope: Any, receive: Any, send: Any) -> None:
        async def noted(message: Any) -> None:
            order.append(message["type"])
            await send(message)

        await app(scope, receive, noted)

    assert ask(watching, "POST", "/v1/score", SCORED).status == 200
    assert order == ["disk", "http.response.start", "http.response.body"]


def test_the_chain_goes_on_after_a_restart_and_a_torn_line_is_cut(file: Path) -> None:
    for number in range(3):
        log = AuditLog(file)
        log.append("request", number=number)
        log.close()
    assert verified(file).lines == 3
    whole = file.read_bytes()
    for torn in (b'{"event": "requ', b"x", b'{"event": "request", "before": "0"}'):
        file.write_bytes(whole + torn)
        assert verified(file) == Chain(3, verified(file).head, len(torn))
        AuditLog(file).close()
        assert file.read_bytes().startswith(whole)
        assert [line["event"] for line in lines(file)] == ["request"] * 3 + ["cut"]
        assert lines(file)[-1]["bytes"] == len(torn)
        assert verified(file).lines == 4
    file.write_bytes(b'{"event')
    AuditLog(file).close()
    assert [line["event"] for line in lines(file)] == ["cut"]
    assert lines(file)[0]["before"] == NOTHING


def test_whoever_changes_takes_out_or_puts_in_a_line_is_found_out(file: Path) -> None:
    log = AuditLog(file)
    for number in range(6):
        log.append("request", number=number)
    log.close()
    head, whole = verified(file).head, file.read_bytes().splitlines(keepends=True)
    changed = whole[2].replace(b'"number": 2', b'"number": 7')
    for wrong in (
        [*whole[:2], changed, *whole[3:]], [*whole[:2], *whole[3:]], whole[1:], [*whole[:3], whole[2], *whole[3:]],
        [*whole[:2], whole[3], whole[2], *whole[4:]], [*whole[:2], b"no line\n", *whole[2:]],
    ):  # fmt: skip
        file.write_bytes(b"".join(wrong))
        with pytest.raises(StoreError, match="must name the hash of the line before it"):
            verified(file)
    for cut in ([*whole[:-1]], [*whole[:5], whole[5].replace(b'"number": 5', b'"number": 6')]):
        file.write_bytes(b"".join(cut))
        assert verified(file).lines == len(cut)  # the end alone can be cut: its hash, kept elsewhere, shows it
        with pytest.raises(StoreError, match=f"must hold the line with the hash {head[:12]}"):
            verified(file, head)
    file.write_bytes(b"".join(whole))
    assert verified(file, head).lines == 6
    assert chartune("serve-audit", file, "--head", head).code == 0
    assert json.loads(chartune("serve-audit", file, "--json").out) == {"lines": 6, "head": head, "torn": 0}
    file.write_bytes(b"".join(whole[1:]))
    assert chartune("serve-audit", file).code == 7


def test_what_cannot_be_recorded_is_not_answered(bank: Bank, file: Path) -> None:
    log = AuditLog(file)
    app = service(bank, Limits(), Queue(bank, 10_000), None, log)
    assert ask(app, "POST", "/v1/score", SCORED).status == 200
    before, limit = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limit[1]))  # the kernel takes 20 bytes, and no more
    try:
        said = ask(app, "POST", "/v1/score", SCORED)
        listed = ask(app, "GET", "/v1/tasks")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert said.status == listed.status == 503
    assert "must be recorded before it is answered" in said.text
    assert said.headers["retry-after"] == "10"
    assert "rows" not in said.text
    assert "lora" not in listed.text
    assert file.read_bytes() == before
    assert ask(app, "GET", "/livez").status == 200
    assert ask(app, "POST", "/v1/score", SCORED).status == 200
    assert verified(file).lines == 2


def test_a_line_that_could_not_be_taken_back_is_so_before_the_next(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(file)
    log.append("request")
    whole = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "ftruncate", full)
        broken.setattr(os, "fdatasync", full)
        with pytest.raises(StoreError, match="I/O error"):
            log.append("request", number=1)
        with pytest.raises(StoreError):
            log.append("request", number=2)
    assert file.read_bytes() != whole
    log.append("request", number=3)
    assert [line.get("number") for line in lines(file)] == [None, 3]
    assert verified(file).lines == 2


def test_a_log_that_others_read_write_or_that_is_none_is_refused(file: Path, tmp_path: Path) -> None:
    log = AuditLog(file)
    with pytest.raises(ConfigError, match="another has it"):
        AuditLog(file)
    log.close()
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        AuditLog(file)
    other, link = tmp_path / "other", tmp_path / "link"
    other.write_text("a file\nof something else\n", encoding="utf-8")
    other.chmod(0o600)
    link.symlink_to(file)
    for wrong, rule in ((other, "ends in something else"), (link, "cannot be"), (tmp_path, "cannot be")):
        with pytest.raises(ConfigError, match=rule):
            AuditLog(wrong)
    assert other.read_text(encoding="utf-8") == "a file\nof something else\n"
    with pytest.raises(ConfigError, match="cannot be read"):
        verified(tmp_path / "none")
