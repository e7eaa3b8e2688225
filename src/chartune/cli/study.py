"""`chartune study`: a grid of stages from one YAML file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chartune.cli.options import (
    DEFAULT_STORE,
    FolderArgument,
    JsonOption,
    SetOption,
    SourceOption,
    SplitsOption,
    StoreOption,
    emit,
    listed_splits,
    named_path,
    open_store,
    source_at,
)  # fmt: skip
from chartune.config import override, read_yaml
from chartune.errors import ConfigError, RunError
from chartune.runs.run import Run

if TYPE_CHECKING:
    from chartune.studies.conduct import Gap


def command(
    file: Annotated[
        Path,
        typer.Argument(
            parser=named_path, metavar="FILE", help="A study: title, data, and stages with a grid and references."
        ),
    ],
    folder: FolderArgument = None,
    out: Annotated[
        Path, typer.Option("--out", parser=named_path, metavar="PATH", help="The HTML file to write.")
    ] = Path("report.html"),
    source: SourceOption = None,
    splits: SplitsOption = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Run every stage of a study in order and write its report.

    Stages that are done already are found; one that fails leaves a gap, and the others go on. Run again, a study
    tries what is missing. FOLDER takes the place of the data that the file names.
    """
    from chartune.outputs import must_be_a_file
    from chartune.report.render import report_of
    from chartune.studies.conduct import conduct
    from chartune.studies.study import Study

    written = read_yaml(file)
    named = written.get("data") or {}
    if not isinstance(named, dict):
        raise ConfigError(
            f"`data` of {file} must be a mapping, such as `source: {{kind: mimic3, folder: raw}}`, but is a "
            f"{type(named).__name__}; correct it, or leave it out and give the folder of the raw data."
        )
    data: dict[str, Any] = dict(named)
    if folder is not None:
        data["source"] = source_at(folder, source)
    if splits is not None:
        data["splits"] = listed_splits(splits)
    study = Study.parse(override({**written, "data": data}, sets or []), str(file))
    must_be_a_file(out)  # not after a night of training
    opened = open_store(store)
    done = conduct(study, opened)
    if not done.runs:
        raise RunError(f"a study must end with a run, but none of its {len(done.gaps)} stages has: {done.gaps[0].why}")
    emit_study(report_of(opened, done.runs, out, study.title), done.runs, done.gaps, as_json)


def emit_study(report: Path, runs: Sequence[Run], gaps: "Sequence[Gap]", as_json: bool) -> None:
    """Print the report's path, the runs and the gaps of a study.

    Raises:
        RunError: some stages could not be done; the report is there, without them.
    """
    result = {
        "report": str(report), "runs": [run.fingerprint for run in runs],
        "gaps": [{"stage": gap.cell, "why": gap.why} for gap in gaps],
    }  # fmt: skip
    emit(result, as_json, f"report: {report}")
    if gaps:
        reasons = "; ".join(f"{gap.cell}: {gap.why}" for gap in gaps)
        raise RunError(
            f"every stage of a study must end, but {len(gaps)} of {len(gaps) + len(runs)} have not ({reasons}); "
            f"fix the cause and give the same command again: finished stages are found."
        )
