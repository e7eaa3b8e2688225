"""Evaluating: a finished run, as it is, on other data (external validation). Nothing is trained or chosen.

RUN ─load─▶ Scorer ┐
DATA, its task ────┴─▶ labels that both know ─▶ scores and predictions as of a test split, drift beside them ─▶ Run
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.answers.spans import Spans
from chartune.config import Unhashed
from chartune.errors import ConfigError, LabelError
from chartune.made_up import oracle_of
from chartune.notes.text_pair import joined, read_texts
from chartune.runs.ledger import run_at
from chartune.runs.record import External
from chartune.runs.run import Run
from chartune.stages.drift import Side, drift
from chartune.stages.facts import source_facts, task_facts
from chartune.stages.loading import LoadedRun, load
from chartune.stages.scoring import score, write_predictions
from chartune.stages.stage import Outcome, Stage, Work, perform
from chartune.stages.table import TaskTable, read_table
from chartune.store import Artefact, Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.frames import read_frame
from chartune.tasks.prepare import prepare
from chartune.tasks.soundness import who_left

REVISION: Final = 1
UNKNOWN: Final = -30.0
"""Log-odds of a label that the run does not know; no score is computed of it."""


class Evaluate(Stage):
    """Score a finished run on other data."""

    kind: Literal["evaluate"] = "evaluate"
    run: Annotated[str, Unhashed()]
    """Which: fingerprint, its beginning, name or folder; the name of the evaluation takes its fingerprint."""
    task: str = ""
    """Which of the prepared tasks; the beginning of a name will do; empty: the run's own, else the first."""


@dataclass(frozen=True)
class ExternalTable(TaskTable):
    """The rows that are scored, all in the split `test`, whoever would learn from them here."""

    learnt: NDArray[np.int64] | None = None
    """Training cases of each label in the data of the run; 0: it does not know the label."""

    def cases(self, split: str) -> NDArray[np.int64]:
        """How many rows of a split each label applies to, [outputs]; of `train` in the data of the run."""
        return self.learnt if split == "train" and self.learnt is not None else super().cases(split)


def evaluate(stage: Evaluate, store: Store, data: Artefact | None = None) -> Run:
    """Score a finished run on other data, or find it done.

    Args:
        stage: what is asked.
        store: where run, base model and data are, and the result goes.
        data: the prepared data; None: as the stage says.

    Raises:
        RunError: the run scores no texts.
        ConfigError: run and data have no label in common, or ask for answers of another form.
        LabelError: there are no rows, or no label that both know has rows with it and without it.
    """
    run = run_at(store, stage.run)
    scorer = load(run, store)
    prepared = data or prepare(stage.data, store)
    dataset = read_dataset(prepared)
    asked = stage.task or (run.task if run.task in dataset.tasks else "") or ""
    whole = read_table(prepared, asked, for_model=True)
    if whole.frame.is_empty():
        why = who_left(dataset.tasks[whole.task])
        raise LabelError(f"{whole.task} must have rows to be scored, but has none: {why}")
    table, left_out = _known_rows(whole, scorer, _met(run, prepared, store))
    about = run.about
    external = {"run": run.fingerprint, "name": run.name, "rows_left_out": left_out, **_labels(scorer, table)}
    return perform(
        stage, store, prepared, kind="evaluate", revision=REVISION,
        name=stage.name or f"{run.name}, on {dataset.source.title}",
        parts={"task": table.task, "run": run.fingerprint, "numerics": scorer.numerics},
        facts={"source": source_facts(dataset), **task_facts(table),
               "backbone": about.backbone and about.backbone.to_json(),
               "stack": [layer.to_json() for layer in about.layers], "parents": [run.fingerprint],
               "max_seq_len": about.max_seq_len, "pooling": about.pooling,
               **({"prompt": about.prompt} if about.prompt else {})},
        resolved=getattr(scorer, "resolved", None),
        work=lambda work: _scored(stage, store, prepared, table, scorer, external, work),
    )  # fmt: skip


def _scored(
    stage: Evaluate, store: Store, data: Artefact, table: ExternalTable, scorer: LoadedRun, external: dict[str, Any],
    work: Work,
) -> Outcome:  # fmt: skip
    texts = table.texts
    reading = scorer.read(texts)
    decided = {"test": _in_their_order(scorer, table, reading.decided)}
    write_predictions(work.folder, table, decided)
    oracle = oracle_of(stage.data.source, table.task, table.recipe)
    scores = score(table, decided, work.folder, words=reading.words_of("test"), oracle=oracle)
    entry = read_dataset(data).tasks[table.task]
    here = Side(joined(texts), reading, _shares(table, _shared(scorer, table)), entry)
    own, learnt = _own_side(scorer, store, _shared(scorer, table))
    measured = drift(own, here, scorer.counts, learnt)
    record = External(**external, rows=len(texts), own_rows=own and len(own.texts), drift=measured)
    return Outcome(scores, facts={"external": record.to_json(), "truncated_fraction": float(reading.truncated.mean())})


def _known_rows(table: TaskTable, scorer: LoadedRun, met: pl.Series | None) -> tuple[ExternalTable, int]:
    """The rows that can be scored, and how many cannot.

    Args:
        table: of the data.
        scorer: the run.
        met: patients whom the run has learnt from; None: these are other data.
    """
    _must_match(table, scorer)
    shared, frame = _shared(scorer, table), table.frame
    if isinstance(table.form, Spans):
        frame = frame.with_columns(table.form.known(frame["label"], [name in shared for name in table.space.labels]))
    elif not table.form.several:
        numbers = [number for number, name in enumerate(table.space.labels) if name in shared]
        frame = frame.filter(pl.col("label").is_in(numbers))
    if met is not None:
        frame = frame.filter(~pl.col("subject_id").is_in(met.implode()))
    if frame.is_empty():
        raise LabelError(f"{table.task} must have rows that {scorer.run.name} has not learnt from, but has none.")
    known = ExternalTable(
        frame.with_columns(split=pl.lit("test")), table.task, table.space, table.unit, table.recipe, table.candidates,
        learnt=_learnt(scorer, table),
    )  # fmt: skip
    _must_be_scorable(known)
    return known, table.frame.height - frame.height


def _must_match(table: TaskTable, scorer: LoadedRun) -> None:
    if table.form.kind != scorer.form.kind:
        raise ConfigError(
            f"{scorer.run.name} answers {scorer.run.task} ({scorer.form.kind}), but {table.task} is {table.form.kind}; "
            f"name a task of the same form with --task."
        )
    shared = _shared(scorer, table)
    if not shared or (table.form.one_outcome and len(shared) < 2):
        raise ConfigError(
            f"{scorer.run.name} and {table.task} must have labels in common"
            f"{', both of a binary task,' if table.form.one_outcome else ''} but have {len(shared)} of "
            f"{len(scorer.labels)} and {len(table.space.labels)}; call them alike in the table, or name another task."
        )


def _must_be_scorable(table: ExternalTable) -> None:
    cases, rows = table.cases("test"), table.frame.height
    if not (table.counted() & table.form.scorable(cases, rows)).any():
        raise LabelError(
            f"{table.task} needs {table.form.needs(table.unit)}, but has "
            f"{table.form.holds(cases, table.cases('train'), rows, table.unit)}; evaluate on more {table.unit}."
        )


def _labels(scorer: LoadedRun, table: TaskTable) -> dict[str, int]:
    """How many labels both know, the data lack, and the run does not know."""
    own, theirs = set(scorer.labels), set(table.space.labels)
    return {"labels_shared": len(own & theirs), "labels_missing": len(own - theirs),
            "labels_unknown": len(theirs - own)}  # fmt: skip


def _shared(scorer: LoadedRun, table: TaskTable) -> list[str]:
    known = set(scorer.labels)
    return [name for name in table.space.labels if name in known]


def _learnt(scorer: LoadedRun, table: TaskTable) -> NDArray[np.int64]:
    """Training cases of each label of the table in the data of the run; where they were not kept, enough."""
    kept = scorer.run.per_label()
    enough = np.iinfo(np.int64).max // len(table.space.labels)
    cases = dict.fromkeys(scorer.labels, enough)
    cases |= {} if kept is None else dict(zip(kept["label"], kept["train_cases"], strict=True))
    return np.asarray([cases.get(name, 0) for name in table.space.labels], dtype=np.int64)


def _in_their_order(scorer: LoadedRun, table: TaskTable, decided: NDArray[np.float64]) -> NDArray[np.float64]:
    """What was decided, in the order of the labels of the table; what the run does not know never applies."""
    if isinstance(table.form, Spans):
        return table.form.in_the_order_of(decided, scorer.labels, table.space.labels)
    if table.form.one_outcome:
        return decided if scorer.labels[1] == table.space.labels[1] else -decided
    place = {name: number for number, name in enumerate(scorer.labels)}
    columns = [decided[:, place[name]] if name in place else np.full(len(decided), UNKNOWN)
               for name in table.space.labels]  # fmt: skip
    return np.stack(columns, axis=1)


def _met(run: Run, data: Artefact, store: Store) -> pl.Series | None:
    """Patients of the run's own tables whom it has learnt from or chosen by; None: no raw file is the same."""
    own = store.find("data", run.data or "")
    if own is None:
        return None
    files, others = ({file.sha256 for file in read_dataset(one).source.tables.values()} for one in (own, data))
    if not files & others:
        return None
    splits = read_frame(own.path / "splits.parquet")
    return splits.filter(pl.col("split") != "test")["subject_id"]


def _own_side(scorer: LoadedRun, store: Store, shared: list[str]) -> tuple[Side | None, list[str]]:
    """The run's own test split, and its training texts; of data that are gone nothing."""
    run = scorer.run
    own = store.find("data", run.data or "")
    if own is None:
        return None, []
    table = read_table(own, run.task or "", for_model=True)
    train, test = (table.frame[table.rows(split)] for split in ("train", "test"))
    texts = read_texts(test)
    entry = read_dataset(own).tasks[table.task]
    lengths = scorer.lengths(texts)
    rows = TaskTable(test, table.task, table.space, table.unit, table.recipe)
    return Side(joined(texts), lengths, _shares(rows, shared), entry), joined(read_texts(train))


def _shares(table: TaskTable, shared: list[str]) -> pl.DataFrame:
    """Of each label that both know the share of test rows that it applies to: name, share."""
    cases = np.asarray(table.form.cases(table.labels("test"), len(table.space.labels)))
    shares = {name: float(cases[number]) / table.frame.height for number, name in table.form.asked(table.space.labels)
              if name in shared}  # fmt: skip
    return pl.DataFrame({"name": list(shares), "share": list(shares.values())},
                        schema={"name": pl.String, "share": pl.Float64})  # fmt: skip
