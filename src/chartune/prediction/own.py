"""A run's own predictions for whoever reads them: ids as their data have them, classes by name, probabilities.

predictions.parquet ─▶ true label · probabilities · decision, as of new texts (`chartune.prediction.rows`)
table of the data ───▶ id · subject_id, as they are written there          id · subject_id · split · true_label · …
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import polars as pl

from chartune.errors import ConfigError, RunError, SchemaError
from chartune.log import say
from chartune.prediction.outputs import Outputs, outputs_of
from chartune.prediction.rows import Choices, decided_columns, provenance
from chartune.prediction.thresholds import threshold_for
from chartune.runs.ledger import store_of
from chartune.runs.run import SCORING, SHELF, Run
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import parse_preparation
from chartune.tasks.prepared import SHELF as DATA

EVERY: Final = "all"
"""In place of a split: all that were scored."""


def own_predictions(
    run: Run, split: str = SCORING, *, recalibrated: bool | None = None, threshold: float | str | None = None
) -> pl.DataFrame:
    """What a finished run predicted of the rows of its own data, or of those that it was evaluated on.

    Args:
        run: with a task.
        split: `test`, `validation`, or `all` that were scored.
        recalibrated: False: raw, as the model gives them; None: recalibrated where something was fitted.
        threshold: from where on a label is said to apply: a probability, or a rule on the validation split
            (`chartune.prediction.thresholds`), such as `youden`; of an evaluation that of the run that it has scored.

    Returns:
        A row per row: id, subject_id, split, true_label (where several may apply: true_labels, a list), then the
        columns of `chartune predict` but those of lengths. Never text.

    Raises:
        RunError: the run scores no rows, not those of this split, or keeps no recalibration.
        ConfigError: the threshold is none, or none of such labels.
        DataError: a rule has too few validation rows.
        StoreError: a file of the run is damaged.
    """
    outputs, chosen_by, learnt = _scored_by(run)
    rows = run.predictions(None if split == EVERY else split)
    if rows.is_empty():
        scored = ", ".join(sorted(set(run.predictions()["split"])))
        raise RunError(f"{run.name!r} has scored no rows of the split {split}, but of {scored}; name one of these.")
    choices = Choices(recalibrated, threshold_for(threshold, outputs, chosen_by, recalibrated=recalibrated))
    choices.must_suit(outputs)
    decided = outputs.form.read(rows)[1]
    known = pl.DataFrame([*_ids(run, rows), rows["split"], _true(outputs, rows["label"])])
    unlearnt = [] if outputs.form.one_outcome else [f"p_{name}" for name in outputs.labels if name not in learnt]
    made = known.hstack(decided_columns(outputs, decided, choices))
    made = made.drop(unlearnt) if outputs.form.whole_text else made
    return made.with_columns(*provenance(outputs, choices))


def _scored_by(run: Run) -> tuple[Outputs, Run | None, tuple[str, ...]]:
    """What the numbers of a run mean, by whose validation split a threshold is chosen, and which labels were learnt.

    Of an evaluation these are of the run that it has scored; None: it is not in the store, or has other classes.
    """
    outputs, external = outputs_of(run), run.about.external
    if external is None:
        return outputs, run, outputs.labels
    found = store_of(run).find(SHELF, external.run)
    if found is None:
        return outputs, None, outputs.labels
    source = Run(found.path)
    known = outputs_of(source)
    alike = known.labels == outputs.labels
    mended = known.calibration if alike else None
    return replace(outputs, origin=known.origin, calibration=mended), source if alike else None, known.labels


def _true(outputs: Outputs, label: pl.Series) -> pl.Series:
    names = dict(enumerate(outputs.labels))
    if not outputs.form.whole_text:
        place, number = pl.element().struct.field("start", "end"), pl.element().struct.field("label")
        typed = number.replace_strict(names, default=None, return_dtype=pl.String).alias("type")
        return label.list.eval(pl.struct(place, typed)).alias("true_spans")
    if not outputs.form.several:
        return label.replace_strict(names, return_dtype=pl.String).alias("true_label")
    named = pl.element().replace_strict(names, return_dtype=pl.String)
    return label.list.eval(named).alias("true_labels")


def _ids(run: Run, rows: pl.DataFrame) -> list[pl.Series]:
    """`id` and `subject_id` of the rows, as their table has them where it is at hand and as it was."""
    written, why = _written(run)
    if why:
        say(f"note: {why}, so that rows are named by their number, and patients by that of their id")
    if written is None:
        return [rows["hadm_id"].alias("id"), rows["subject_id"]]
    named = rows.select("hadm_id").join(written, on="hadm_id", how="left", maintain_order="left")
    return [named["id"], named["subject_id"]]


def _written(run: Run) -> tuple[pl.DataFrame | None, str]:
    """hadm_id · id · subject_id as a table has them, or why they are not known; neither: the data have numbers."""
    try:
        preparation = parse_preparation(run.stage.get("data") or {})
        written = preparation.own_ids()
        if written is None:
            return None, ""
        store = store_of(run)
        data = store.find(DATA, run.data or "")
        if data is None:
            return None, "the prepared data are not in the store"
        if _hashes(preparation.facts(store)) != _hashes(read_dataset(data).source.tables):
            return None, "the table is no longer as it was prepared"
    except (ConfigError, SchemaError):  # of another version, or moved
        return None, "the table is not where it was"
    return written, ""


def _hashes(files: Mapping[str, Any]) -> dict[str, str]:
    return {name: file.sha256 for name, file in files.items()}
