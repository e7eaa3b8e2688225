"""`chartune monitor`: a run in use, beside the rows that it was tested on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from chartune.cli.figures import ExactOption, emit_figures
from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, open_store, path_argument, path_option
from chartune.errors import DataError
from chartune.log import say

if TYPE_CHECKING:
    from chartune.monitoring.reference import Reference
    from chartune.monitoring.scored import Scored
    from chartune.monitoring.watching import Array, Known
    from chartune.stages.loading import LoadedRun

LEAST_WINDOW: Final = 100


def command(
    run: Annotated[str, typer.Argument(help="A finished run: fingerprint, its prefix, its name or its folder.")],
    scored: Annotated[Path, path_argument("SCORED", "What `chartune predict` has written of it: CSV, JSONL, Parquet.")],
    notes: Annotated[
        Path | None, path_option("--notes", "The table of notes that were scored: how many of their words are new?")
    ] = None,
    outcomes: Annotated[
        Path | None, path_option("--outcomes", "Outcomes that have come back: a table with the ids of SCORED.")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="The column of outcomes. Default: `outcome`, `label` or the like.")
    ] = None,
    id: Annotated[str, typer.Option("--id", help="The column of ids in --outcomes and --notes.")] = "id",
    window: Annotated[int, typer.Option("--window", min=LEAST_WINDOW, help="Rows that are judged together.")] = 500,
    metrics: Annotated[
        Path | None, path_option("--metrics", "A file for Prometheus (textfile collector, `serve --metrics-from`).")
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Where the base model is now. Default: where the run found it.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """See whether a run in use meets what it was tested on: lengths, words, scores, and outcomes once they are known.

    Rows are judged in windows, in the order of SCORED, against the run's own test split; an alarm is a difference that
    is neither chance nor a trifle (docs/monitoring.md). `chartune report` shows what was seen last.
    """
    from chartune.monitoring.reference import reference
    from chartune.monitoring.scored import read_scored
    from chartune.monitoring.textfile import write_metrics
    from chartune.monitoring.watching import watched
    from chartune.report.monitored import alarms_by_window, alarms_said, monitored_json
    from chartune.report.released import is_exact, source_of
    from chartune.runs.monitored import Rule, write_monitored
    from chartune.stages.chosen import chosen_at

    opened = open_store(store)
    chosen = chosen_at(opened, run)
    if chosen.run is None:
        raise DataError("an export keeps no test split to be compared with; name the run that it was made of.")
    scorer: LoadedRun = chosen.scorer(opened, base)  # type: ignore[assignment]
    rows = read_scored(scored, scorer)
    known = _known(outcomes, scorer, outcome, id)
    own = reference(scorer, opened, recalibrated=rows.recalibrated)
    seen = watched(scorer, own, rows, Rule(window=window), unknown=_unknown(notes, scorer, own, rows, id), known=known)
    write_monitored(chosen.run.path, seen)
    if metrics:
        write_metrics(metrics, chosen.run.name, seen)
    for notice in (*seen.missing, *alarms_by_window(seen)):
        say(notice)
    released = monitored_json(seen, is_exact(chosen.run, exact_counts))
    text = f"{chosen.run.name}: {alarms_said(seen)}"
    emit_figures(released, as_json, text, source_of(chosen.run), exact_counts)


def _known(file: Path | None, scorer: "LoadedRun", column: str | None, key: str) -> "Known | None":
    from chartune.monitoring.scored import read_outcomes
    from chartune.monitoring.watching import Known

    if file is None:
        return None
    ids, true = read_outcomes(file, scorer, column, key)
    return Known(ids.to_list(), true)


def _unknown(
    file: Path | None, scorer: "LoadedRun", own: "Reference", rows: "Scored", key: str
) -> "Array | None":  # fmt: skip
    """Of each row the share of words that no training text has; None: its notes, or these texts, are not at hand."""
    from chartune.monitoring.watching import unknown_in
    from chartune.prediction.columns import table_texts
    from chartune.stages.chosen import Chosen

    if file is None or not len(own.vocabulary):
        return None
    chosen = Chosen(scorer.run)
    texts = table_texts(file, chosen.trained_on, of_pairs=chosen.of_pairs, id=key)
    return unknown_in(texts, own, rows.ids.to_list())
