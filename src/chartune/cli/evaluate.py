"""`chartune evaluate`: a finished run on other data, as external validation."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from chartune.cli.datasets import find_data
from chartune.cli.figures import ExactOption, emit_run
from chartune.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    NameOption,
    NullMarksOption,
    SetOption,
    StoreOption,
    named_path,
    open_store,
    overridden,
    source_at,
)
from chartune.disclosure import shown
from chartune.log import say
from chartune.report.released import is_exact
from chartune.sources.kinds import CorpusKind

if TYPE_CHECKING:
    from chartune.runs.run import Run
    from chartune.store import Artefact, Store


def command(
    run: Annotated[str, typer.Argument(help="A finished run: fingerprint, its prefix, its name or its folder.")],
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="Prepared data by fingerprint or prefix; a table with labels; raw data."),
    ],
    task: Annotated[
        str, typer.Option("--task", "--tasks", help="Which prepared task. Default: the run's own, else the first.")
    ] = "",
    null_marks: NullMarksOption = None,
    name: NameOption = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Score a finished run on other data: the scores of its own test split, and how texts and labels differ.

    Every row of the data is scored, nothing is trained or chosen. On other labels those that both know are scored, and
    the others counted. Raw data are prepared as the run's own were. The result is a run of its own: `report`, `ls` and
    `show` take it.
    """
    from chartune.report.external import external_json
    from chartune.runs.ledger import run_at
    from chartune.stages.evaluating import Evaluate, evaluate

    opened = open_store(store)
    chosen = run_at(opened, run)
    prepared, config = _data(data, chosen, opened, null_marks)
    stage = Evaluate.parse(overridden({"run": run, "task": task, "name": name, "data": config}, sets, Evaluate))
    done = evaluate(stage, opened, prepared)
    for line in _said(done, chosen, exact_counts):
        say(line)
    external = done.about.external
    released = external and external_json(external, is_exact(done, exact_counts))
    emit_run(done, as_json, exact_counts, {"external": released})


def _data(
    data: str, run: "Run", store: "Store", null_marks: str | None
) -> "tuple[Artefact | None, dict[str, Any]]":  # fmt: skip
    """Prepared data and what they were prepared from; None: they are yet to be prepared, as the run's own were."""
    from chartune.tasks.dataset import read_dataset

    if not named_path(data).exists():
        prepared = find_data(store, data)
        return prepared, read_dataset(prepared).config
    source, own = source_at(Path(data), None, null_marks), dict(run.stage.get("data") or {})
    before = own.get("source") or {}
    if source["kind"] in get_args(CorpusKind):
        asked = {"tasks": _tasks(run, own["tasks"])} if before.get("kind") in get_args(CorpusKind) else {}
        return None, {"source": source, "near_copies": None, **asked}
    if source["kind"] == "tabular":
        columns = ("text", "subject", "label", "id", "time", "separator", "spellings")
        source = {**({name: before[name] for name in columns if name in before}), **source}
    # Rows are scored and not learnt from: none is left out for what it shares with another.
    kept = {
        "splits": {"kind": "hash"},
        "corpus": None,
        "stratum": "all",
        "near_copies": None,
        "held_out_copies": "kept",
    }
    return None, {**own, "source": source, **kept}


def _tasks(run: "Run", tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tasks of a run; relations are asked between the types that it knows."""
    known = (run.about.candidates or {}).get("admissible")
    return [task | {"admissible": known} if task["kind"] == "relations" and known else task for task in tasks]


def _said(done: "Run", run: "Run", exact: bool) -> list[str]:
    """What a reader of the scores should know."""
    external, figures = done.about.external, is_exact(done, exact)
    if external is None:
        return []
    lines = []
    if external.labels_missing or external.labels_unknown:
        lines.append(
            f"note: {external.labels_shared} labels are known to both and scored; the data lack "
            f"{external.labels_missing} of the run's, and the run does not know {external.labels_unknown} of theirs"
        )
    if external.rows_left_out:
        lines.append(
            f"note: {shown(external.rows_left_out, figures)} rows are left out: the run does not know their class, or "
            f"has learnt from their patient"
        )
    return lines
