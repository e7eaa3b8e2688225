"""An interrupted verb says how to go on, by the very command, and nothing that only its user may know."""

import shlex

import pytest

from chartune.testing.command_line import chartune


def interrupted(code: int = 130) -> None:
    raise SystemExit(code)


@pytest.mark.parametrize("code", [130, 143])
def test_an_interrupted_command_is_said_as_it_was_given(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr("chartune.cli.app", lambda: interrupted(code))
    words = ["finetune", "a folder", "--set", "name=it's [x]", "--store", "/tmp/store"]
    ended = chartune(*words)
    assert ended.code == code
    assert shlex.split(ended.err.splitlines()[-1]) == ["chartune", *words]


@pytest.mark.parametrize("flag", ["--storage ", "--storage="])
@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://user:pass@word@host/db?password=too", "postgresql://..."),
        ("postgresql://user:secret@host/db", "postgresql://..."),
        ("postgresql://user%3Asecret@host/db", "postgresql://..."),
        ("postgresql://host/db?password=secret", "postgresql://..."),
        ("postgresql+psycopg://a-user@db.host:5432/my_db", "postgresql+psycopg://a-user@db.host:5432/my_db"),
        ("postgresql://host/db", "postgresql://host/db"),
    ],
)
def test_of_an_address_that_may_hold_a_password_only_the_scheme_is_shown_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, flag: str, address: str, shown: str
) -> None:
    monkeypatch.setattr("chartune.cli.app", interrupted)
    ended = chartune("search", "pretrain", *f"{flag}{address}".split(), "--lr=1")
    assert ended.err.splitlines()[-1] == f"  chartune search pretrain {flag}{shown} --lr=1"
    assert ("stands for the address" in " ".join(ended.err.split())) == (shown != address)
