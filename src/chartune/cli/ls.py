"""`chartune ls`: what is in the store."""

from collections.abc import Mapping
from typing import Any

from chartune.artefact import PARTIAL
from chartune.cli.figures import ExactOption
from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit
from chartune.disclosure import RELEASE, TOO_FEW, figures, magnitude
from chartune.quantities import human_seconds
from chartune.report.released import NOT_FINAL, headline_text, is_exact, source_of
from chartune.runs.begun import failure_of, not_ended
from chartune.runs.ledger import finished_runs, whole_runs
from chartune.runs.record import RUN
from chartune.runs.run import SHELF, START, Run
from chartune.store import Store
from chartune.writing import remembered


def command(store: StoreOption = DEFAULT_STORE, exact_counts: ExactOption = False, as_json: JsonOption = False) -> None:
    """List the runs in the store with their main score, and what is unfinished or damaged."""
    opened = Store(store)
    runs, damaged = whole_runs(finished_runs(opened))
    partial = sorted((opened.root / SHELF).glob(f"*{PARTIAL}"))
    unfinished = {folder.name.removesuffix(PARTIAL): remembered(folder / RUN) for folder in partial}
    failed = {folder.name.removesuffix(PARTIAL): why for folder in partial if (why := failure_of(folder))}
    rows = [
        {"run": run.fingerprint, "kind": run.kind, "name": run.name, "task": run.task, "answer": run.answer,
         "seed": run.about.seed, "score": _score(run, exact_counts), **figures(source_of(run), exact_counts),
         "best_step": magnitude(run.about.best_step, is_exact(run, exact_counts), run.about.texts),
         "seconds": run.cost.seconds}
        for run in runs
    ]  # fmt: skip
    lines = [
        f"{r['run']}  {r['kind']:<9} {r['task'] or '':<16} {r['score']:<38} "
        f"{human_seconds(run.cost.seconds):>12}  {r['name']}{_seed(run, runs)}"
        f"{f', kept: {START}' if run.kept_start else ''}"
        for r, run in zip(rows, runs, strict=True)
    ]
    lines += [f"{name}  damaged: {why}" for name, why in damaged.items()]
    lines += [f"{run}  {_begun(about, failed.get(run, ''))}" for run, about in unfinished.items()]
    exact = any(row["do_not_release"] for row in rows)
    lines = [RELEASE, *lines] if exact else lines
    result = {"runs": rows, "unfinished": list(unfinished), "failed": failed, "damaged": damaged,
              "do_not_release": exact}  # fmt: skip
    emit(result, as_json, "\n".join(lines) or f"no runs in {opened.root}")


def _begun(about: Mapping[str, Any], failure: str) -> str:
    """Of a run that has not ended what its record says, if it is whole, and whether it has failed."""
    state = not_ended(failure) or "unfinished: give its command again to resume"
    kind, task, name = (str(about.get(field) or "") for field in ("kind", "task", "name"))
    return f"{kind:<9} {task:<16} {state:<51}  {name}".rstrip()


def _score(run: Run, exact: bool) -> str:
    score = headline_text(run, run.headline.metric, exact)
    if not score:
        return "not measured"
    return f"{'' if score == TOO_FEW else f'{run.headline.title.lower()} '}{score}{'' if run.final else NOT_FINAL}"


def _seed(run: Run, runs: list[Run]) -> str:
    """The seed of a run that shares its name and task with another; else empty."""
    twins = sum(other.name == run.name and other.task == run.task for other in runs)
    return f", seed {run.about.seed}" if twins > 1 else ""
