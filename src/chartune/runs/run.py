"""Run: what a stage left behind, seen through the plain files of its folder. Nothing here writes, and nothing is torch.

    runs/<fingerprint>/
      stage.yaml           what was asked      run.json     what it was made from, when, by which parents
      environment.json     where it ran        events.jsonl the numbers on the way
      scores.json          how well            cost.json    at what price
      predictions.parquet  row by row          per_label.parquet  label by label
      adapter/             the weights         MODEL_CARD.md what it is          manifest.json  signed last
    runs/<fingerprint>.names.json              names that it was given after it was signed

What a file does not hold is "not measured" (None, or an empty mapping), never zero.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import polars as pl

from chartune.answers import Answer, Metric
from chartune.config import read_yaml
from chartune.errors import ChartuneError, RunError, StoreError, UnfinishedRun
from chartune.log import EVENTS, Event, EventLog
from chartune.quantities import Cost, Estimate
from chartune.record import read_record
from chartune.runs.efficiency import efficiency_of
from chartune.runs.estimates import read_estimate, score_frame
from chartune.runs.names import later_names
from chartune.runs.nll import NLL
from chartune.runs.record import RUN, BaseModel, Layer, RunRecord
from chartune.runs.rows import flaw_of
from chartune.store import MANIFEST, Artefact, Store

T = TypeVar("T")
PREDICTIONS: Final = "predictions.parquet"
SHELF: Final = "runs"
START: Final = "the initial weights (step 0)"
"""What was kept of a run whose training did not improve the validation score."""
SCORING: Final = "test"
"""The split whose scores are reported: evaluated once, after every choice was made."""
CHOOSING: Final = "validation"
"""The split by whose scores choices are made."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Raises:
        UnfinishedRun: on construction, when the folder is not signed by a manifest; its stage has not ended.
    """

    path: Path
    """Its folder."""
    title: str | None = field(default=None, compare=False)
    """What to call it here in place of its name; None: by its name."""

    def __post_init__(self) -> None:
        if self.path.suffix == ".partial" or not (self.path / MANIFEST).is_file():
            raise UnfinishedRun(
                f"a run must have ended before it is read, but {self.path} holds no {MANIFEST}; "
                f"start its stage again, it resumes where it stopped."
            )

    @classmethod
    def of(cls, store: Store, fingerprint: str) -> Self:
        """The run with this fingerprint. Raises UnfinishedRun: the store has no finished run of that name."""
        return cls(store.root / SHELF / fingerprint)

    @property
    def artefact(self) -> Artefact:
        """Its folder as an artefact: every file is read through it."""
        return Artefact(SHELF, self.path.name, self.path)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of what determines the run."""
        return self.path.name

    @cached_property
    def about(self) -> RunRecord:
        """`run.json`: backbone, stack, parents, seed, times. Raises StoreError: damaged, or of another version."""
        return read_record(self.artefact, RUN, RunRecord)

    @cached_property
    def stage(self) -> dict[str, Any]:
        """The complete config of the stage; empty when the run has kept none."""
        return read_yaml(self.artefact.file("stage.yaml")) if self.artefact.holds("stage.yaml") else {}

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions, device, precision and the fidelity switches in force."""
        return self._json("environment.json")

    @cached_property
    def scores(self) -> dict[str, dict[str, Estimate]]:
        """Split → metric → Estimate; a metric that is missing was not measured."""
        splits = self._json("scores.json")
        return self._parsed("scores.json", lambda: {
            split: {name: read_estimate(name, e) for name, e in metrics.items() if e is not None}
            for split, metrics in splits.items()
        })  # fmt: skip

    @cached_property
    def cost(self) -> Cost:
        """What the run has cost; every field None when it was not measured."""
        data = self._json("cost.json")
        return self._parsed("cost.json", lambda: Cost.from_json(data))

    @property
    def kind(self) -> str:
        """`pretrain`, `finetune` or `tfidf`."""
        return self.about.kind

    @property
    def name(self) -> str:
        """What a person calls it: the last name that it was given; its fingerprint when it has no name."""
        return self.title or self.names[-1]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All that it was ever called, the signed name first. Raises StoreError: the file of later names is damaged."""
        return (self.signed_name, *later_names(self.path))

    @property
    def signed_name(self) -> str:
        """The name that it was given when it was made; its fingerprint where it has no name or that cannot be read."""
        try:
            return self.about.name or self.fingerprint
        except StoreError:  # damaged, or of another version: its weights may still be a layer, found by fingerprint
            return self.fingerprint

    def damage(self) -> str:
        """What of it cannot be read, with a remedy; empty: nothing. Weights are not checked."""
        try:
            _ = (self.about, self.form, self.scores, self.cost, self.environment, self.stage, self.names, self.events())
            if self.task is not None:
                self.predictions()
            _ = (self.per_label(), self.nll(), efficiency_of(self.artefact))
        except ChartuneError as error:
            return str(error)
        return ""

    @property
    def task(self) -> str | None:
        """The task it answers; None for a run on unlabelled text."""
        return self.about.task

    @property
    def form(self) -> Answer | None:
        """The form of its answers; None for a run on unlabelled text."""
        return self.about.form

    @property
    def answer(self) -> str | None:
        """The kind of the form of its answers; None: it has no task."""
        return self.form.kind if self.form else None

    @property
    def headline(self) -> Metric:
        """The primary metric of the run."""
        return self.about.headline

    @property
    def data(self) -> str | None:
        """Fingerprint of the prepared data."""
        return self.about.data

    @property
    def backbone(self) -> BaseModel | None:
        """Name, family, parameters, content hash and exposure of the base model; None: it has none."""
        return self.about.backbone

    @property
    def base_name(self) -> str | None:
        """What the base model is called; None: there is none, or it has no name."""
        return self.backbone.name if self.backbone else None

    @property
    def stack(self) -> tuple[Layer, ...]:
        """The layers on the base model, first to last."""
        return self.about.layers

    @property
    def stack_title(self) -> str | None:
        """The stack in words: `frozen LoRA r=8 from 1a2b3c4d + fresh LoRA r=8`; None: there is no base model."""
        return self.about.stack_title

    @property
    def parents(self) -> tuple[str, ...]:
        """Fingerprints of the runs whose adapters it started from."""
        return self.about.parents

    @property
    def kept_start(self) -> bool:
        """Whether training did not improve the validation score, so that the initial weights were kept."""
        return self.about.kept_start

    @property
    def final(self) -> bool:
        """Whether its test split was scored; False: only the validation split, by which it may be chosen."""
        return SCORING in self.scores or CHOOSING not in self.scores

    def estimate(self, metric: str, split: str = SCORING) -> Estimate | None:
        """One score; None: not measured."""
        return self.scores.get(split, {}).get(metric)

    def events(self, name: str | None = None, split: str | None = None) -> list[Event]:
        """The numbers on the way, in order; all, or those of one name or split."""
        every = EventLog.read(self.artefact.file(EVENTS)) if self.artefact.holds(EVENTS) else []
        return [e for e in every if name in (None, e.name) and split in (None, e.split)]

    def score_frame(self) -> pl.DataFrame:
        """`scores` as a frame, a row per split and metric: split, metric, value, low, high, n, level."""
        return score_frame(self.scores)

    def report(self, *others: "Run", title: str = "") -> Any:
        """The report of this run and, beside it, of others of its store: a `chartune.Page`.

        A notebook shows it inline; `.save(path)` writes it. Raises StoreError: they are damaged.
        """
        import chartune  # the front door: a report stands on runs, not the other way round

        return chartune.page_of_runs((self, *others), title)

    def has_predictions(self) -> bool:
        """Whether the run has scored rows."""
        return self.artefact.holds(PREDICTIONS)

    def predictions(self, split: str | None = None) -> pl.DataFrame:
        """Row by row: split, subject_id, hadm_id, label, logit and probability, or logits. Ids and numbers, never text.

        Raises:
            RunError: this run has scored no rows.
            StoreError: its file is damaged.
        """
        if self.task is None:
            raise RunError(f"run {self.fingerprint} ({self.kind}) has no predictions: its kind scores no rows.")
        frame = self._frame(PREDICTIONS)
        if self.form is not None and (flaw := flaw_of(frame, self.form)):
            raise self._damaged(PREDICTIONS, f"is not ({flaw})")
        return frame if split is None else frame.filter(pl.col("split") == split)

    def prediction_frame(
        self, split: str = SCORING, *, recalibrated: bool | None = None, threshold: float | str | None = None
    ) -> pl.DataFrame:
        """As `chartune.own_predictions`: ids as the data have them, true label, classes by name, probabilities."""
        import chartune  # as `report`

        frame: pl.DataFrame = chartune.own_predictions(self, split, recalibrated=recalibrated, threshold=threshold)
        return frame

    def per_label(self) -> pl.DataFrame | None:
        """Label by label on the test split: label, title, train_cases, cases, scored, auroc, auroc_low, auroc_high.

        The last three by the name of `Answer.per_label`, null where the split does not define it. None: its
        labels are not scored one by one. Raises StoreError: its file is damaged.
        """
        return self._frame("per_label.parquet") if self.artefact.holds("per_label.parquet") else None

    def nll(self) -> pl.DataFrame | None:
        """Nats by patient (`chartune.runs.nll`) of pretraining; None: not kept. Raises StoreError: it is damaged."""
        return self._frame(NLL) if self.artefact.holds(NLL) else None

    @property
    def planned(self) -> Mapping[str, float | None]:
        """What `chartune plan` expected: seconds, peak_bytes, trainable_parameters; empty: not planned."""
        return self.about.planned or {}

    @property
    def switches(self) -> dict[str, Any]:
        """The fidelity switches in force, by name; empty: it does not say."""
        return self.environment.get("switches") or {}

    def _frame(self, file: str) -> pl.DataFrame:
        try:
            return pl.read_parquet(self.artefact.file(file))
        except pl.exceptions.PolarsError:
            raise self._damaged(file) from None  # polars would echo cells

    def _json(self, file: str) -> dict[str, Any]:
        data = self._parsed(file, lambda: json.loads(self.artefact.file(file).read_text(encoding="utf-8")))
        if not isinstance(data, dict):
            raise self._damaged(file)
        return data

    def _parsed(self, file: str, parse: Callable[[], T]) -> T:
        try:
            return parse()
        except (ValueError, TypeError, AttributeError, KeyError):
            raise self._damaged(file) from None

    def _damaged(self, file: str, what: str = "cannot be read") -> StoreError:
        return StoreError(
            f"every file of a run must be as it was written, but {self.path / file} {what}; "
            f"remove {self.path} and run its stage again."
        )
