"""An interrupted verb says how to go on, by the very command, and nothing that only its user may know."""

import shlex

import pytest

from chartune.testing.command_line import chartune


@pytest.mark.parametrize("code", [130, 143])
def test_an_interrupted_command_is_said_as_it_was_given(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def interrupted() -> None:
        raise SystemExit(code)

    monkeypatch.setattr("chartune.cli.app", interrupted)
    words = ["finetune", "a folder", "--set", "name=it's [x]", "--store", "/tmp/store"]
    ended = chartune(*words)
    assert ended.code == code
    assert shlex.split(ended.err.splitlines()[-1]) == ["chartune", *words]
    secret = chartune("search", "pretrain", "--storage", "postgresql://user:pass@word@host/db?password=too", "--lr=1")
    assert secret.err.splitlines()[-1] == "  chartune search pretrain --storage postgresql://... --lr=1"
