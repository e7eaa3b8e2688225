"""`chartune study`: a grid of stages from one YAML file, planned, run, looked at, reported."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chartune.cli.groups import RunByDefault
from chartune.cli.options import (
    DEFAULT_STORE,
    FolderArgument,
    JsonOption,
    SetOption,
    SourceOption,
    SplitsOption,
    StorageOption,
    StoreOption,
    emit,
    open_store,
    path_argument,
    path_option,
)  # fmt: skip
from chartune.cli.study_file import asked_study, surveyed
from chartune.cli.study_work import (
    ExecutorOption,
    LimitOption,
    RetryOption,
    SlurmOption,
    ThreadsOption,
    WorkersOption,
    cell,
    hand_over,
    means_of,
    work,
)
from chartune.errors import RunError
from chartune.runs.run import Run
from chartune.store import Store

if TYPE_CHECKING:
    from chartune.studies.conduct import Gap
    from chartune.studies.ledger import Entry

SUMMARY = "Run, plan, look at or report a study: a grid of stages from one YAML file."
app = typer.Typer(
    cls=RunByDefault, no_args_is_help=True, rich_markup_mode=None,
    help=f"{SUMMARY}\n\n"
    "`chartune study FILE` is `chartune study run FILE`; what a file says: docs/studies.md.",
)  # fmt: skip

FileArgument = Annotated[Path, path_argument("FILE", "A study: title, data, and stages with a grid and references.")]
OutOption = Annotated[Path, path_option("--out", "The HTML file to write.")]
LedgerOption = Annotated[
    Path | None,
    path_option(
        "--ledger",
        "A file with a line for each finished cell, small enough to commit: cells that it lists are done where "
        "nobody asks for their weights, so that another machine can go on.",
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile", metavar="NAME", help="One of the file's `profiles`: another way to ask the same question.",
        show_default=False,
    ),
]  # fmt: skip
REPORT = Path("report.html")


def run(
    file: FileArgument,
    folder: FolderArgument = None,
    out: OutOption = REPORT,
    ledger: LedgerOption = None,
    storage: StorageOption = None,
    executor: ExecutorOption = "local",
    slurm: SlurmOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    time_limit: LimitOption = None,
    retry_failed: RetryOption = False,
    source: SourceOption = None,
    splits: SplitsOption = None,
    profile: ProfileOption = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Run every stage of a study in order and write its report.

    All cells are checked before the first one starts. Stages that are done already are found; one that fails leaves a
    gap, and the others go on. Run again, a study goes on with what is missing, but for cells that have failed. FOLDER
    takes the place of the data that the file names.
    """
    from chartune.outputs import must_be_a_file
    from chartune.search.storages import Journals
    from chartune.studies.conduct import conduct
    from chartune.studies.report import study_report

    study = asked_study(file, folder, source, splits, sets, profile)
    for place in filter(None, (out, ledger)):
        must_be_a_file(place)  # not after a night of training
    means = means_of(workers, threads, time_limit, storage, retry_failed=retry_failed, executor=executor)
    opened = open_store(store)
    if executor == "slurm":
        hand_over(study, opened, ledger, slurm, means, as_json=as_json)
        return
    done = conduct(study, opened, ledger, Journals(storage), means)
    if not done.runs and not done.listed:
        first = (*done.gaps, *done.left_out)[0]
        raise RunError(
            f"a study must end with a run, but none of its {len(done.gaps) + len(done.left_out)} stages has "
            f"({first.why}); fix the cause and give the same command again, with --retry-failed."
        )
    report = study_report(study, opened, done.runs, done.listed, out, done.searches, done.claims)
    emit_study(report, done.runs, done.gaps, as_json, done.listed, done.left_out)


def plan(
    file: FileArgument,
    folder: FolderArgument = None,
    ledger: LedgerOption = None,
    source: SourceOption = None,
    splits: SplitsOption = None,
    profile: ProfileOption = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Estimate time, memory and disk of each cell and of all, and what the test split of each task could show.

    Nothing is prepared, trained or written.
    Time needs data that are prepared already. What does not fit into the memory and disk that are free now is refused,
    with exit code 5.
    """
    from chartune.studies.detectable import detectables
    from chartune.studies.forecast import forecasts
    from chartune.studies.problems import noted

    asked = surveyed(asked_study(file, folder, source, splits, sets, profile), Store(store), ledger)
    each, total = forecasts(asked)
    shown = detectables(asked)
    lines = noted([(one.cell, one.as_text(), one.note) for one in each])
    emit(
        {"cells": [one.to_json() for one in each], "total": total.to_json(), "detectable": shown}, as_json,
        "\n".join([*lines, total.as_text(), *(f"{task}: {words}" for task, words in shown.items())]),
    )  # fmt: skip
    if not total.fits:
        raise RunError(
            "a study must fit into the memory and disk that are free, but the largest cells above do not; "
            "`chartune plan STAGE` on their settings says what would make one smaller."
        )


def status(
    file: FileArgument,
    folder: FolderArgument = None,
    ledger: LedgerOption = None,
    source: SourceOption = None,
    splits: SplitsOption = None,
    profile: ProfileOption = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Show which cells are done, running, failed or missing, by the store and the ledger, and how much time is left.

    That is measured on cells that differ in their seed alone, or planned.
    """
    from chartune.studies.problems import noted
    from chartune.studies.remaining import remaining

    asked = surveyed(asked_study(file, folder, source, splits, sets, profile), Store(store), ledger)
    rows = [standing.to_json() for standing in asked.standings.values()]
    counts = {state: sum(row["state"] == state for row in rows) for state in ("done", "running", "failed", "missing")}
    lines = noted([(each.cell.title(), each.as_text(), each.why) for each in asked.standings.values()])
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    left = remaining(asked)
    text = "\n".join(filter(None, [*lines, f"{len(rows)} cells: {said}", left.as_text()]))
    emit({"cells": rows, **counts, **left.to_json()}, as_json, text)


def report(
    file: FileArgument,
    folder: FolderArgument = None,
    out: OutOption = REPORT,
    ledger: LedgerOption = None,
    source: SourceOption = None,
    splits: SplitsOption = None,
    profile: ProfileOption = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Write the report of what is done of a study; nothing is run."""
    from chartune.studies.claim_runs import asked_claims
    from chartune.studies.conduct import listed, titled
    from chartune.studies.report import study_report

    study, opened = asked_study(file, folder, source, splits, sets, profile), Store(store)
    asked = surveyed(study, opened, ledger)
    standings = asked.standings.values()
    runs, entries = list(titled(standings)), list(listed(standings))
    if not runs and not entries:
        raise RunError("a report needs a cell that is done, but this study has none; run it first.")
    written = study_report(study, opened, runs, entries, out, asked.every_search(), asked_claims(asked))
    result = {"report": str(written), "runs": [one.fingerprint for one in runs],
              "listed": [entry.fingerprint for entry in entries], "cells": len(standings)}  # fmt: skip
    emit(result, as_json, f"report of {len(runs) + len(entries)} of {len(standings)} cells: {written}")


for _verb in (run, plan, status, report):
    app.command(short_help=(_verb.__doc__ or "").partition("\n")[0])(_verb)
for _inner in (work, cell):
    app.command(hidden=True)(_inner)


def emit_study(
    report: Path, runs: Sequence[Run], gaps: "Sequence[Gap]", as_json: bool, listed: "Sequence[Entry]" = (),
    left_out: "Sequence[Gap]" = (),
) -> None:  # fmt: skip
    """Print the report's path, the runs and the gaps of a study, and what a time limit has left out.

    Raises:
        RunError: some stages could not be done; the report is there, without them.
    """
    result = {
        "report": str(report), "runs": [run.fingerprint for run in runs],
        "listed": [entry.fingerprint for entry in listed],
        "gaps": [{"stage": gap.cell, "why": gap.why} for gap in gaps],
        "left_out": [{"stage": gap.cell, "why": gap.why} for gap in left_out],
    }  # fmt: skip
    left = f"\n{len(left_out)} cells left out by the time limit: the same command goes on with them" if left_out else ""
    emit(result, as_json, f"report: {report}{left}")
    if gaps:
        from chartune.studies.problems import together

        reasons = together([(gap.cell, gap.why) for gap in gaps])
        every = len(gaps) + len(runs) + len(listed) + len(left_out)
        raise RunError(
            f"every stage of a study must end, but {len(gaps)} of {every} have not ({reasons}); "
            f"fix the cause and give the same command again, with --retry-failed where it is `study run`: finished "
            f"stages are found."
        )
