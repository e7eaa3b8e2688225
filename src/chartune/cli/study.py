"""`chartune study`: a grid of stages from one YAML file, planned, run, looked at, reported."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    listed_splits,
    open_store,
    path_argument,
    path_option,
    source_at,
)  # fmt: skip
from chartune.config import override, read_yaml
from chartune.errors import ConfigError, RunError
from chartune.runs.run import Run
from chartune.sources.kinds import SOURCES, source_class
from chartune.store import Store

if TYPE_CHECKING:
    from chartune.studies.conduct import Gap
    from chartune.studies.ledger import Entry
    from chartune.studies.standing import Survey
    from chartune.studies.study import Study

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
    source: SourceOption = None,
    splits: SplitsOption = None,
    profile: ProfileOption = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Run every stage of a study in order and write its report.

    All cells are checked before the first one starts. Stages that are done already are found; one that fails leaves a
    gap, and the others go on. Run again, a study tries what is missing. FOLDER takes the place of the data that the
    file names.
    """
    from chartune.outputs import must_be_a_file
    from chartune.search.storages import Journals
    from chartune.studies.conduct import conduct
    from chartune.studies.report import study_report

    study = _asked(file, folder, source, splits, sets, profile)
    for place in filter(None, (out, ledger)):
        must_be_a_file(place)  # not after a night of training
    opened = open_store(store)
    done = conduct(study, opened, ledger, Journals(storage))
    if not done.runs and not done.listed:
        raise RunError(
            f"a study must end with a run, but none of its {len(done.gaps)} stages has ({done.gaps[0].why}); fix the "
            f"cause and give the same command again."
        )
    report = study_report(study, opened, done.runs, done.listed, out, done.searches, done.claims)
    emit_study(report, done.runs, done.gaps, as_json, done.listed)


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

    asked = _surveyed(_asked(file, folder, source, splits, sets, profile), Store(store), ledger)
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
    """Show which cells are done, running, failed or missing, by the store and the ledger."""
    from chartune.studies.problems import noted

    asked = _surveyed(_asked(file, folder, source, splits, sets, profile), Store(store), ledger)
    rows = [standing.to_json() for standing in asked.standings.values()]
    counts = {state: sum(row["state"] == state for row in rows) for state in ("done", "running", "failed", "missing")}
    lines = noted([(each.cell.title(), each.as_text(), each.why) for each in asked.standings.values()])
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    emit({"cells": rows, **counts}, as_json, "\n".join([*lines, f"{len(rows)} cells: {said}"]))


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

    study, opened = _asked(file, folder, source, splits, sets, profile), Store(store)
    asked = _surveyed(study, opened, ledger)
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


def _asked(
    file: Path, folder: Path | None, source: str | None, splits: Path | None, sets: list[str] | None,
    profile: str | None = None,
) -> "Study":  # fmt: skip
    """The study in a file, a profile and then the flags written over it. Raises ConfigError: it is none."""
    from chartune.studies.profiles import profiled
    from chartune.studies.study import Study

    written = profiled(read_yaml(file), profile, str(file))
    named = written.get("data") or {}
    if not isinstance(named, dict):
        raise ConfigError(
            f"`data` of {file} must be a mapping, such as `source: {{kind: mimic3, folder: raw}}`, but is a "
            f"{type(named).__name__}; correct it, or leave it out and give the folder of the raw data."
        )
    data: dict[str, Any] = dict(named)
    if folder is not None:
        data["source"] = _moved(data.get("source"), source_at(folder, source))
    if splits is not None:
        data["splits"] = listed_splits(splits)
    return Study.parse(override({**written, "data": data}, sets or []), str(file))


def _moved(named: Any, at: dict[str, Any]) -> dict[str, Any]:
    """A source at another place.

    Args:
        named: as the file says.
        at: kind and place of the raw data that are given.

    Returns:
        `at`, and where it is of the kind that the file names what that says of it, such as the names of columns; but no
        other path, which would be of other data.
    """
    if not isinstance(named, dict) or named.get("kind") != at["kind"]:
        return at
    beside = source_class(at["kind"]).beside if at["kind"] in SOURCES else ()
    return {name: value for name, value in named.items() if name not in beside} | at


def _surveyed(study: "Study", store: Store, ledger: Path | None) -> "Survey":
    """How far every cell is. Raises ConfigError: a reference means no cell, or the ledger is damaged."""
    from chartune.studies.ledger import read_entries
    from chartune.studies.parents import family_of
    from chartune.studies.problems import together
    from chartune.studies.standing import survey

    family, problems = family_of(study)
    if problems:
        raise ConfigError(together(problems))
    return survey(family, store, read_entries(ledger) if ledger else {})


def emit_study(
    report: Path, runs: Sequence[Run], gaps: "Sequence[Gap]", as_json: bool, listed: "Sequence[Entry]" = ()
) -> None:
    """Print the report's path, the runs and the gaps of a study.

    Raises:
        RunError: some stages could not be done; the report is there, without them.
    """
    result = {
        "report": str(report), "runs": [run.fingerprint for run in runs],
        "listed": [entry.fingerprint for entry in listed],
        "gaps": [{"stage": gap.cell, "why": gap.why} for gap in gaps],
    }  # fmt: skip
    emit(result, as_json, f"report: {report}")
    if gaps:
        from chartune.studies.problems import together

        reasons = together([(gap.cell, gap.why) for gap in gaps])
        every = len(gaps) + len(runs) + len(listed)
        raise RunError(
            f"every stage of a study must end, but {len(gaps)} of {every} have not ({reasons}); "
            f"fix the cause and give the same command again: finished stages are found."
        )
