"""Help: every verb explains itself and every option it has."""

import inspect
import runpy
from pathlib import Path
from typing import get_args

import pytest
from typer.models import ArgumentInfo, OptionInfo

import chartune as chartune_package
from chartune.cli import app
from chartune.errors import ConfigError
from chartune.testing.command_line import chartune

VERBS = {str(verb.name): verb.callback for verb in app.registered_commands if verb.callback}
VERBS |= {
    f"{group.name} {getattr(verb.callback, '__name__', '')}": verb.callback
    for group in app.registered_groups if group.typer_instance for verb in group.typer_instance.registered_commands
    if verb.callback and not verb.hidden  # a hidden one is for a worker, not for people
}  # fmt: skip


def options(verb: str) -> list[OptionInfo]:
    marks = [mark for p in inspect.signature(VERBS[verb]).parameters.values() for mark in get_args(p.annotation)]
    return [mark for mark in marks if isinstance(mark, OptionInfo)]


def test_the_front_door_names_every_verb_with_its_first_sentence() -> None:
    said = chartune("--help")
    assert said.code == 0
    assert {verb for verb in VERBS if " " in verb} == {f"study {verb}" for verb in ("run", "plan", "status", "report")}
    assert {verb.partition(" ")[0] for verb in VERBS} == {
        "demo", "make-hospital", "import-backbone", "bases", "check", "prepare", "datasets", "audit-data",
        "export-data", "plan", "pretrain", "finetune", "search", "fields", "predict", "predictions", "evaluate",
        "serve", "serve-key", "serve-audit", "monitor",
        "export", "study", "report", "compare", "ls", "show", "watch", "clean",
    }  # fmt: skip
    lines = "".join(said.out.split())
    for verb, callback in VERBS.items():
        group, _, inner = verb.rpartition(" ")
        listed = "".join(chartune(group, "--help").out.split()) if group else lines
        assert "".join([inner, *(callback.__doc__ or "").partition("\n")[0].split()]) in listed
    order = [line.split()[0] for line in said.out.partition("Commands:")[2].splitlines() if line.startswith("  ")]
    assert order.index("export") < order.index("study") < order.index("report")


def test_the_command_line_is_a_module_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["chartune", "--version"])
    with pytest.raises(SystemExit):
        runpy.run_module("chartune", run_name="__main__")
    assert capsys.readouterr().out == f"chartune {chartune_package.__version__}\n"


def flags(option: OptionInfo) -> list[str]:
    """Its names; inside Annotated typer takes the first of them for a default."""
    names = [str(name) for name in (option.default, *(option.param_decls or ())) if str(name).startswith("--")]
    return [flag for name in names for flag in name.split("/")]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_explains_itself_and_every_option(verb: str) -> None:
    said = chartune(*verb.split(), "--help")
    assert said.code == 0
    assert said.err == ""
    output = " ".join(said.out.replace("│", " ").split())
    assert " ".join((VERBS[verb].__doc__ or "").split("\n")[0].split())[:50] in output
    found = options(verb)
    assert found
    for option in found:
        assert flags(option)
        assert option.help, flags(option)
        assert " ".join(str(option.help).split())[:25] in output
        assert all(flag in output for flag in flags(option))


@pytest.mark.parametrize("verb", ["plan", "search"])
@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_plan_and_a_search_take_every_flag_that_describes_the_stage(verb: str, stage: str) -> None:
    known = {flag for option in options(verb) for flag in flags(option)}
    of_what_follows = {"--baseline", "--no-baseline", "--exact-counts"}
    assert {flag for option in options(stage) for flag in flags(option)} - of_what_follows <= known


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_can_answer_a_script(verb: str) -> None:
    assert "--json" in [flag for option in options(verb) for flag in flags(option)]


@pytest.mark.parametrize("verb", VERBS)
def test_an_empty_path_is_refused_and_never_the_folder_one_stands_in(verb: str) -> None:
    signature = inspect.signature(VERBS[verb]).parameters.values()
    paths = [p for p in signature if get_args(p.annotation)[:1] in ((Path,), (Path | None,))]
    for parameter in paths:
        (mark,) = (mark for mark in get_args(parameter.annotation) if isinstance(mark, OptionInfo | ArgumentInfo))
        assert mark.parser, parameter.name
        with pytest.raises(ConfigError, match="empty"):
            mark.parser("")


def test_a_path_from_a_variable_that_is_not_set_is_told() -> None:
    said = chartune("check", "")
    assert (said.code, said.out) == (2, "")
    assert "a path must be named, but an empty one was given" in said.err


def test_without_a_verb_the_help_is_shown() -> None:
    said = chartune()
    assert "finetune" in said.out + said.err


def test_an_unknown_verb_or_flag_is_refused_with_its_name() -> None:
    for words in (["pretain"], ["ls", "--stroe", "x"]):
        said = chartune(*words)
        assert said.code == 2
        assert words[-1] in said.err or words[-2] in said.err


def test_the_version_is_said() -> None:
    said = chartune("--version")
    assert (said.code, said.out, said.err) == (0, f"chartune {chartune_package.__version__}\n", "")


def test_the_face_is_offered_for_completion() -> None:
    assert set(chartune_package.__all__) <= set(dir(chartune_package))
    assert {"__version__", "Finetune", "prepare"} <= set(dir(chartune_package))
