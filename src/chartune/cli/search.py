"""`chartune search`: settings of pretrain or finetune, chosen by the validation split; the best are tested once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chartune.cli.methods import HEAD_ONLY
from chartune.cli.options import JsonOption, StorageOption, emit, open_store, path_option
from chartune.cli.stage_flags import EitherFlags, VerbArgument, with_flags
from chartune.cli.words import spelled
from chartune.errors import ConfigError, RunError
from chartune.search.choice import Sampler
from chartune.yaml_text import plain

if TYPE_CHECKING:
    from chartune.config import Config
    from chartune.report.searches import SearchShown
    from chartune.report.table import Cell
    from chartune.search.trial import Trial
    from chartune.studies.study import Study

SpaceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--space", metavar="PATH=VALUES",
        help="A setting to choose: `rank=[2,4,8]`, or a range such as `lr={low: 1e-5, high: 1e-2, log: true}`. "
        "Repeatable.",
    ),
]  # fmt: skip
SamplerOption = Annotated[
    Sampler | None,
    typer.Option(
        "--sampler", help="Who proposes: a Gaussian process (default), a Parzen estimator, chance, or a grid."
    ),
]
TrialsOption = Annotated[int | None, typer.Option("--trials", help="Different settings to try at most. Default: 20.")]
TokensOption = Annotated[
    int | None, typer.Option("--tokens", help="Training tokens of all trials, after which none is begun.")
]
MinutesOption = Annotated[
    float | None, typer.Option("--minutes", help="Minutes of all trials, after which none is begun.")
]
ShareOption = Annotated[
    float | None,
    typer.Option(
        "--share", help="Share of the training that a trial does, such as 0.2; the best few are then done in full."
    ),
]
SearchOutOption = Annotated[Path | None, path_option("--out", "Write a report there, too.")]


@with_flags
def command(
    verb: VerbArgument,
    flags: EitherFlags,
    space: SpaceOption = None,
    sampler: SamplerOption = None,
    trials: TrialsOption = None,
    tokens: TokensOption = None,
    minutes: MinutesOption = None,
    share: ShareOption = None,
    storage: StorageOption = None,
    out: SearchOutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search settings of a stage by its score on the validation split; the best ones are scored on the test split once.

    Trials are runs of the store without test scores. A search that was killed goes on with the same command as if it
    had not been. Several methods under one budget: a study whose stages have a `space` (docs/search.md).
    """
    given = {"sampler": sampler, "trials": trials, "tokens": tokens, "minutes": minutes,
             "fidelity": None if share is None else {"share": share}}  # fmt: skip
    budget = {field: value for field, value in given.items() if value is not None}
    study = _study(flags.stage_of(verb), space or (), budget)
    opened = open_store(flags.store)
    from chartune.search.storages import Journals
    from chartune.studies.conduct import Means, conduct  # after the flags were found right: it brings all libraries
    from chartune.studies.report import study_report

    done = conduct(study, opened, None, Journals(storage), Means(retry_failed=True))
    if done.gaps:
        raise RunError(f"a search must end with a run, but this one has not: {done.gaps[0].why}")
    (run,), (one,) = done.runs, [search.shown(opened) for search in done.searches]
    report = study_report(study, opened, done.runs, (), out, done.searches) if out else None
    result = {"run": run.fingerprint, "name": run.name, **_summary(one)}
    emit(result | ({"report": str(report)} if report else {}), as_json, _text(one, run.name, report))


def _study(stage: "Config", space: Sequence[str], search: Mapping[str, Any]) -> "Study":
    """A study of one searched stage.

    Args:
        stage: that is searched, with the values of all other settings.
        space: assignments of --space.
        search: fields of `Search`.

    Raises:
        ConfigError: the space is none of the stage, or the test split is not to be scored.
    """
    from chartune.studies.study import Study

    asked = stage.model_dump(mode="json")
    searched = _space(type(stage), asked, space)
    if not asked.pop("scores_test"):
        raise ConfigError(
            "the test split is scored of what a search has chosen; leave out scores_test, or search in a study whose "
            "`final` names other stages."
        )
    prepared, title = asked.pop("data"), str(asked.pop("name") or f"{_method(asked)}, searched")
    return Study.parse({
        "title": f"Search: {title}", "data": prepared, "stages": {title: {**asked, "space": searched}},
        "search": search,
    })  # fmt: skip


def _method(asked: Mapping[str, Any]) -> str:
    """The kinds of methods of a stage, as --method takes them."""
    layers = asked["stack"]["layers"] if "stack" in asked else [asked] if "method" in asked else []
    kinds = [layer["method"]["kind"] if "method" in layer else layer["kind"] for layer in layers]
    return " + ".join(kinds) or (HEAD_ONLY if "stack" in asked else str(asked["kind"]))


def _space(kind: "type[Config]", stage: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """The space that the flags describe, as plain data; words stand for fields as in --set.

    Raises:
        ConfigError: there is none, or a word stands for several fields.
    """
    if not assignments:
        raise ConfigError(
            "a search needs settings to choose, but no --space is given; for example --space 'rank=[2,4,8]'."
        )
    made: dict[str, Any] = {}
    for assignment in assignments:
        lines = spelled(kind, stage, assignment)
        path, sign, values = lines[0].partition("=")
        if len(lines) > 1 or not sign:
            raise ConfigError(
                f"--space must read PATH=VALUES for one field, but got {assignment[:60]!r}; `chartune fields "
                f"{stage['kind']}` lists the paths."
            )
        made[path.strip()] = plain(values, f"the values of --space {path.strip()}")
    return made


def _summary(one: "SearchShown") -> dict[str, Any]:
    """The search as plain JSON."""
    best = one.result.best(one.problem)
    every = (("trials", one.result.trials), ("in_full", one.result.promoted))
    listed = {what: [_plain(one, trial) for trial in trials] for what, trials in every}
    return {"ended": one.result.ended, "settings": dict(best.settings) if best else None,
            "importance": dict(one.importance), **listed}  # fmt: skip


def _plain(one: "SearchShown", trial: "Trial") -> dict[str, Any]:
    return {"number": trial.number, "settings": dict(trial.settings), "state": trial.state, "same_as": trial.same_as,
            "score": one.shown(trial) or None, "run": trial.outcome.run or None,
            "why": trial.outcome.why or None}  # fmt: skip


def _text(one: "SearchShown", name: str, report: Path | None) -> str:
    from chartune.report.searches import chosen_said, counted, trials_table

    lines = [row_text(row) for row in trials_table(one, one.result.promoted or one.result.trials, "").rows]
    said = [*lines, counted(one), chosen_said(one), f"run: {name}", *([f"report: {report}"] if report else [])]
    return "\n".join(said)


def row_text(row: "Sequence[Cell]") -> str:
    """A trial in a line."""
    return "  ".join(f"{cell.text} [{cell.detail}]" if cell.detail else cell.text for cell in row if cell.text)
