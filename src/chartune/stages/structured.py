"""The structured baseline: what is known of a patient on arrival without any note. What does the text add to it?

    age, sex, admission type, insurance, language, race, earlier stays and their diagnoses
        ─▶ logistic regression (l2, chosen on validation) · gradient boosting (size chosen on validation) ─▶ scores

Nothing of it reads a text, so that it scores no new notes. Categories that fewer than `least_patients` training
patients have count as rare ones together.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from chartune.errors import DataError
from chartune.log import progress
from chartune.runs.run import Run
from chartune.stages.facts import source_facts, task_facts
from chartune.stages.recalibrating import Recalibrated, recalibration
from chartune.stages.scoring import score, write_predictions
from chartune.stages.stage import Outcome, Work, perform
from chartune.stages.table import TaskTable, read_table
from chartune.store import Artefact, Store
from chartune.tasks.covariates import EARLIER, MEASURED, NAMED, covariates_of
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import prepare

REVISION: Final = 1
RARE: Final = "(rare)"
UNKNOWN: Final = "(unknown)"
TITLES: Final = {"logistic": "logistic regression", "boosting": "gradient boosting"}


class Structured(Recalibrated):
    """A regression on, or gradient boosting of, covariates that a hospital knows on arrival."""

    kind: Literal["structured"] = "structured"
    task: str = ""
    """Which of the prepared tasks; the beginning of a name will do; empty: the first."""
    model: Literal["logistic", "boosting"] = "logistic"
    """Logistic regression, or gradient boosting of trees by histograms (as LightGBM, Ke et al., 2017)."""
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field((0.01, 0.1, 1.0, 10.0), min_length=1)
    """Inverse penalties to choose from, of `logistic`."""
    trees: tuple[Annotated[int, Field(gt=0)], ...] = Field((25, 50, 100, 200), min_length=1)
    """Numbers of trees to choose from, of `boosting`; each shrinks by 0.1 and has 31 leaves at most."""
    least_patients: int = Field(10, gt=0)
    """Behind a category, or an earlier diagnosis, that is a feature of its own."""

    @property
    def sizes(self) -> tuple[float, ...]:
        """What is chosen from by the headline score on the validation split."""
        return self.strengths if self.model == "logistic" else self.trees


def structured(stage: Structured, store: Store) -> Run:
    """Fit, or find it done.

    Raises:
        LabelError: a split lacks a class.
        DataError: the source knows nothing of its patients.
    """
    data = prepare(stage.data, store)
    table = read_table(data, stage.task)
    table.must_be_learnable()
    return perform(
        stage, store, data, kind="structured", revision=REVISION,
        name=stage.name or f"Structured data, {TITLES[stage.model]}", parts=parts_of(table.task),
        facts={"source": source_facts(read_dataset(data)), **task_facts(table), "backbone": None, "stack": None,
               "parents": [], "max_seq_len": None, "truncated_fraction": None},
        resolved=None, work=lambda work: _fit(stage, data, table, work),
    )  # fmt: skip


def parts_of(task: str) -> dict[str, Any]:
    """What determines a run beside stage and data."""
    return {"task": task}


def _fit(stage: Structured, data: Artefact, table: TaskTable, work: Work) -> Outcome:
    """Choose the size, fit with it, score."""
    features = _features(stage, data, table, work.store)
    tried: dict[float, dict[str, NDArray[np.float64]]] = {}
    with progress(f"fitting {TITLES[stage.model]}", total=len(stage.sizes)) as meter:
        for size in stage.sizes:
            tried[size] = _decided(stage, table, features, size)
            meter.advance()
    best = max(stage.sizes, key=lambda size: _headline(table, tried[size]["validation"]))
    decided = tried[best]
    write_predictions(work.folder, table, decided)
    scores = score(table, {split: decided[split] for split in stage.scored}, work.folder, words={})
    return Outcome(scores, facts={**recalibration(stage, table, decided), "strength": best})


def _headline(table: TaskTable, decided: NDArray[np.float64]) -> float:
    form = table.form
    return form.quick(table.labels("validation"), decided, table.counted())[form.headline.metric]


def _features(stage: Structured, data: Artefact, table: TaskTable, store: Store) -> dict[str, NDArray[np.float64]]:
    """By split [n, d]; categories, means and spreads are those of the training rows.

    Raises:
        DataError: the source knows nothing of its patients.
    """
    known = covariates_of(data, stage.data, store)
    rows = table.frame.select("subject_id", "hadm_id", "split")
    columns = [] if known is None else [name for name in (*NAMED, "age") if known[name].count() > 0]
    if known is None or not columns:
        raise DataError(
            "a structured baseline needs age, sex, admission type, insurance, language or race of each admission, but "
            "this source knows none of them; leave it out, or give a hospital's tables."
        )
    joined = rows.join(known, on="hadm_id", how="left", maintain_order="left")
    train = joined.filter(pl.col("split") == "train")
    parts = [_indicators(joined[name], train, name, stage.least_patients) for name in NAMED if name in columns]
    parts += [_measured(joined[name], train[name]) for name in MEASURED]
    parts.append(_diagnoses(joined[EARLIER], train, stage.least_patients))
    every = np.concatenate(parts, axis=1)
    return {split: every[table.rows(split)] for split in ("train", *stage.read_splits(table))}


def _indicators(values: pl.Series, train: pl.DataFrame, name: str, least: int) -> NDArray[np.float64]:
    """Which category each row has, [n, K]."""
    frequent = _frequent(train.select("subject_id", level=pl.col(name).fill_null(UNKNOWN)), least)
    level = values.fill_null(UNKNOWN)
    named = level.set(~level.is_in(frequent), RARE).to_numpy()
    has: NDArray[np.float64] = (named[:, None] == np.asarray([*frequent, RARE])[None, :]).astype(np.float64)
    return has


def _measured(values: pl.Series, train: pl.Series) -> NDArray[np.float64]:
    """In training standard deviations from the training mean, 0 where it is not known; and whether it is, [n, 2]."""
    middle, spread = float(train.mean() or 0.0), float(train.std() or 0.0) or 1.0  # type: ignore[arg-type]
    unknown = values.is_null().to_numpy()
    scaled = ((values.cast(pl.Float64) - middle) / spread).fill_null(0.0).to_numpy()
    return np.stack([scaled, unknown.astype(np.float64)], axis=1)


def _diagnoses(values: pl.Series, train: pl.DataFrame, least: int) -> NDArray[np.float64]:
    """Which earlier diagnoses each row has, [n, K]."""
    frequent = _frequent(train.select("subject_id", level=EARLIER).explode("level").drop_nulls(), least)
    place = {code: number for number, code in enumerate(frequent)}
    has = np.zeros((len(values), len(frequent)))
    for row, codes in enumerate(values.to_list()):
        has[row, [place[code] for code in codes or () if code in place]] = 1
    return has


def _frequent(rows: pl.DataFrame, least: int) -> list[str]:
    """The levels of at least so many patients, in order. rows: subject_id, level."""
    people = rows.group_by("level").agg(pl.col("subject_id").n_unique())
    return people.filter(pl.col("subject_id") >= least)["level"].sort().to_list()


def _decided(
    stage: Structured, table: TaskTable, features: Mapping[str, NDArray[np.float64]], size: float
) -> dict[str, NDArray[np.float64]]:
    """What is scored of each row, by split."""
    form, labels = table.form, table.labels("train")
    asked: Sequence[NDArray[Any]] = [labels] if not form.several else [labels[:, i] > 0 for i in range(labels.shape[1])]
    prior = table.prior_logits()
    odds: dict[str, list[NDArray[np.float64]]] = {split: [] for split in stage.read_splits(table)}
    for number, each in enumerate(asked):
        one_class = len(np.unique(each)) < 2
        model = None if one_class else _model(stage, size).fit(features["train"], each)
        for split, columns in odds.items():
            part = features[split]
            columns.append(np.full(len(part), float(prior[number])) if model is None else model.decision_function(part))
    classes = np.arange(table.outputs) if form.several else np.unique(labels).astype(np.int64)
    joined = {split: np.stack(columns, axis=1) if form.several else columns[0] for split, columns in odds.items()}
    return {split: form.from_odds(each, classes, prior) for split, each in joined.items()}


def _model(stage: Structured, size: float) -> Any:
    if stage.model == "logistic":
        return LogisticRegression(C=size, max_iter=2000)
    return HistGradientBoostingClassifier(max_iter=int(size), early_stopping=False, random_state=stage.seed)
