"""Keys: without one only `/livez` answers, with one what it allows; files of keys that are wrong are refused."""

import hmac
import json
import os
from pathlib import Path
from typing import Any, Final

import pytest

from chartune.errors import ConfigError
from chartune.serving.asked import Limits
from chartune.serving.bank import Bank
from chartune.serving.bank_file import bank_of, named_runs
from chartune.serving.gate import NEEDS, OPEN
from chartune.serving.keys import KeyFile, Keys, hashed, new_key, read_keys, revoke
from chartune.serving.queue import Queue
from chartune.serving.service import service
from chartune.testing.asked import Said, ask
from chartune.testing.command_line import chartune
from chartune.testing.served_runs import Served

RARE: Final = "zebrafinch"
SCORED: Final[dict[str, Any]] = {"notes": [{"text": "a fall"}], "tasks": ["rslora"]}


@pytest.fixture(scope="module")
def bank(served: Served) -> Bank:
    return bank_of(named_runs(["rslora", "lora"], served.store), served.store)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.yaml"


def served_with(bank: Bank, file: Path) -> Any:
    return service(bank, Limits(), Queue(bank, 10_000), Keys(file))


def asked(app: Any, key: str, method: str = "GET", path: str = "/v1/tasks", body: Any = None) -> Said:
    return ask(app, method, path, body, headers={"Authorization": f"Bearer {key}"})


def test_without_a_key_nothing_but_livez_answers(bank: Bank, file: Path) -> None:
    good = new_key(file, "ward", "all", ["metrics", "explain", "admin"])
    app = served_with(bank, file)
    paths = {getattr(route, "path", "/?") for route in app.routes} | set(app.openapi()["paths"])
    assert {"/livez", "/readyz", "/metrics", "/v1/tasks", "/v1/score", "/openapi.json"} <= paths
    wrong: list[dict[str, str]] = [
        {}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {good}x"}, {"Authorization": f"Basic {good}"},
        {"Authorization": good}, {"Authorization": f"Bearer {good[:-1]}"}, {"X-Api-Key": good},
        {"Authorization": f"Bearer {RARE}"}, {"Authorization": "Bearer \xff"},
    ]  # fmt: skip
    answers = set()
    for path in (*paths, "/livez/", "/LIVEZ", "//livez", f"/{RARE}", "/docs", "/v1/score/../../livez"):
        for method in ("GET", "POST", "HEAD", "OPTIONS", "DELETE"):
            for headers in wrong if path not in OPEN else ():
                said = ask(app, method, path, SCORED, headers=headers)
                answers.add((said.status, said.text, said.headers["www-authenticate"]))
    assert len(answers) == 1  # nothing says which keys, paths or tasks there are
    assert next(iter(answers))[0] == 401
    assert RARE not in str(answers)
    assert ask(app, "GET", "/livez").status == 200


def test_what_is_not_http_is_closed(bank: Bank, file: Path) -> None:
    new_key(file, "ward", "all", [])
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/tasks", "headers": []}
    with pytest.raises(StopIteration):
        served_with(bank, file)(scope, None, send).send(None)
    assert sent == [{"type": "websocket.close"}]


def test_every_route_says_what_a_key_needs_and_a_forgotten_one_is_closed(bank: Bank, file: Path) -> None:
    ward, admin = new_key(file, "ward", "all", ["metrics", "explain"]), new_key(file, "admin", [], ["admin"])
    app = served_with(bank, file)
    assert {route.path for route in app.routes} <= {*NEEDS, *OPEN}

    app.add_api_route("/forgotten", lambda: RARE)
    assert asked(app, ward, path="/forgotten").status == asked(app, ward, path="/nowhere").status == 404
    assert asked(app, ward, path="/forgotten").text == asked(app, ward, path="/nowhere").text
    assert asked(app, admin, path="/forgotten").text == f'"{RARE}"'


def test_a_key_sees_and_asks_its_own_tasks_alone(bank: Bank, file: Path) -> None:
    own, every, none = (
        new_key(file, "own", ["rslora", "not loaded"], []), new_key(file, "every", "all", []),
        new_key(file, "none", [], ["metrics"]),
    )  # fmt: skip
    app = served_with(bank, file)

    def names(key: str) -> list[str]:
        return [task["name"] for task in asked(app, key).body["tasks"]]

    assert [names(key) for key in (own, every, none)] == [["rslora"], ["lora", "rslora"], []]
    assert asked(app, own, "POST", "/v1/score", SCORED).status == 200
    assert {row["task"] for row in asked(app, own, "POST", "/v1/score", {**SCORED, "tasks": "all"}).body["rows"]} == {
        "rslora"
    }
    out_of_scope = asked(app, own, "POST", "/v1/score", {**SCORED, "tasks": ["lora"]})
    unknown = asked(app, own, "POST", "/v1/score", {**SCORED, "tasks": ["stay"]})
    assert out_of_scope.status == unknown.status == 404
    assert out_of_scope.text == unknown.text
    assert "lora, rslora" not in out_of_scope.text
    assert asked(app, none, "POST", "/v1/score", SCORED).status == 404


def test_scopes(bank: Bank, file: Path) -> None:
    watcher, ward = new_key(file, "prometheus", [], ["metrics"]), new_key(file, "ward", "all", [])
    app = served_with(bank, file)
    assert asked(app, watcher, path="/metrics").status == asked(app, ward, path="/readyz").status == 200
    denied = asked(app, ward, path="/metrics")
    assert denied.status == asked(app, ward, "POST", "/v1/explain", SCORED).status == 403
    assert "chartune_" not in denied.text
    assert "metrics" in denied.text


def test_two_headers_are_none(bank: Bank, file: Path) -> None:
    key = new_key(file, "ward", "all", [])
    headers = {"Authorization": f"Bearer {key}", "authorization ": "x"}
    app = served_with(bank, file)
    assert ask(app, "GET", "/v1/tasks", headers=headers).status == 200
    assert ask(app, "GET", "/v1/tasks", headers={"Authorization": f"Bearer {key}", "authorization": "x"}).status == 401


def test_every_entry_is_compared_in_constant_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [new_key(file, f"ward-{number}", "all", []) for number in range(4)]
    keys, compared = Keys(file), list[tuple[str, str]]()

    def counted(one: str, other: str) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr("chartune.serving.keys.hmac", type("Hmac", (), {"compare_digest": staticmethod(counted)}))
    for number, key in enumerate(made):
        holder = keys.holder(key)
        assert holder is not None
        assert holder.name == f"ward-{number}"
    assert keys.holder(RARE) is None
    assert len(compared) == 5 * 4
    assert all(len(one) == len(other) == 64 for one, other in compared)


def test_a_file_keeps_salted_hashes_and_no_key(file: Path) -> None:
    one, two = new_key(file, "one", "all", []), new_key(file, "two", ["stay"], ["explain"])
    held, text = read_keys(file).keys, file.read_text(encoding="utf-8")
    assert one not in text
    assert two not in text
    assert len(one) > 40
    assert held["one"].salt != held["two"].salt
    assert held["two"].sha256 == hashed(two, held["two"].salt) != hashed(two, held["one"].salt)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="'one' is taken"):
        new_key(file, "one", "all", [])


def test_a_key_that_is_revoked_or_made_is_so_at_once_and_a_broken_file_changes_nothing(file: Path) -> None:
    one, two = new_key(file, "one", "all", []), new_key(file, "two", "all", [])
    keys = Keys(file)
    os.chmod(file, 0o640)
    revoke(file, "one")
    assert file.stat().st_mode & 0o777 == 0o640  # its group may still read it
    three = new_key(file, "three", "all", [])
    assert [keys.holder(key) is not None for key in (one, two, three)] == [False, True, True]
    for broken in (lambda: file.write_text("keys: [", encoding="utf-8"), file.unlink):
        broken()
        assert [keys.holder(key) is not None for key in (one, two, three)] == [False, True, True]
    with pytest.raises(ConfigError, match="must be a file of keys"):
        revoke(file, "two")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("keys: {}", "must hold a key"),
        ("keys: {a: {salt: aa, sha256: aa, tasks: all}}", "salt"),
        (f"keys: {{a: {{salt: '{0:064x}', sha256: '{0:064x}'}}}}", "allows nothing"),
        (f"keys: {{a: {{salt: '{0:064x}', sha256: '{0:064x}', may: [everything]}}}}", "may"),
        (f"keys: {{a: {{salt: '{0:064x}', sha256: '{0:064x}', tasks: [t], key: x}}}}", "key"),
        (f"keys: {{a/b: {{salt: '{0:064x}', sha256: '{0:064x}', tasks: [t]}}}}", "none of"),
        ("keys: [", "YAML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_what_is_wrong(text: str, rule: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=rule):
        Keys(file)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o620, 0o602, 0o601])
def test_a_file_that_others_may_read_or_its_group_write_is_refused(mode: int, file: Path) -> None:
    new_key(file, "ward", "all", [])
    file.chmod(mode)
    with pytest.raises(ConfigError, match=f"mode is {mode:04o}; chmod 600"):
        Keys(file)


def test_the_verb_prints_a_key_once_and_takes_it_away(file: Path, bank: Bank) -> None:
    made = chartune("serve-key", "ward-7", "--keys", file, "--task", "rslora", "--may", "explain", "--json")
    key = json.loads(made.out)["key"]
    assert KeyFile.read(file).keys["ward-7"].tasks == ["rslora"]
    assert asked(served_with(bank, file), key).status == 200
    assert chartune("serve-key", "ward-7", "--keys", file, "--revoke").code == 0
    assert not read_keys(file).keys
    for wrong in (["--may", "everything"], [], ["--task", "all", "--task", "stay"], ["--revoke", "--task", "all"]):
        assert chartune("serve-key", "other", "--keys", file, *wrong).code == 2
    assert chartune("serve-key", "other", "--keys", file, "--task", "all").out.startswith("ct_")
