"""What the papers printed: their tables as CSV with citations, shown beside our numbers and never mixed with them.

Values stand as printed, AUROC in percent; they come from other splits, models and sequence lengths than a run of
ours, so they are marks to look at, not opponents to beat.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from statistics import fmean
from typing import Final

CITATION: Final = (
    "Gema A. P., Minervini P., Daines L., Hope T., Alex B. "
    "Parameter-Efficient Fine-Tuning of LLaMA for the Clinical Domain. arXiv:2307.03042 (2023)"
)
"""The paper that all tables of this package come from."""

COLUMNS: Final = {
    "prolonged_ventilation": "PMV",
    "prolonged_ventilation_in_hindsight_negative": "PMV",
    "prolonged_ventilation_in_hindsight_negative_cannula_left_out_oxygen_as_mimic_code": "PMV",
    "mortality": "MOR",
    "length_of_stay": "LOS",
    "diagnoses_icd9": "DIAG",
    "diagnoses_icd10": "DIAG",
    "procedures_icd9": "PROC",
    "procedures_icd10": "PROC",
}
"""Our task → its column in Tables 3 and 4."""

_MEANT: Final = {"LOS": 4, "PMV": 2}
"""Datasets whose cells of classes are swapped in print."""
_OTHER_CODES: Final = "The paper asked for ICD-9 codes; here it is ICD-10, so not even the question is the same."
REMARKS: Final = {
    "diagnoses_icd10": _OTHER_CODES,
    "procedures_icd10": _OTHER_CODES,
    "prolonged_ventilation": "The paper took who died or was transferred for not ventilated long, as seen in "
    "hindsight; here these are answers of their own and the question is asked at a landmark. The published one is "
    "prolonged_ventilation_in_hindsight_negative.",
}
"""Our task → how it departs from the one that the paper asked."""

_TASKS: Final = tuple(dict.fromkeys(COLUMNS.values()))
UNVERIFIED: Final = "van Aken et al. (2021), from memory, not verified"
"""Where the scores of CORe's own paper stand: nobody has looked them up for this package."""
ERRATA: Final = "Tables 3 and 4 print different scores for the same model; both are listed as they stand."
"""What a reader of Table 4's last row must know."""


@dataclass(frozen=True)
class PublishedScore:
    """One printed AUROC."""

    model: str
    """The variant, in the paper's words."""
    auroc: float
    """From 0 to 1."""
    table: str
    """Where it is printed."""
    disputed: bool
    """Whether Table 3 prints another score for the same model."""


@dataclass(frozen=True)
class PublishedRow:
    """One printed row of Table 3 or 4, or of another paper."""

    model: str
    """The variant, in the paper's words."""
    table: str
    """Where it is printed."""
    scores: Mapping[str, float]
    """Column → AUROC, from 0 to 1."""
    average: float | None = None
    """As printed; None: there is none."""
    same_as: str = ""
    """The row of Table 3 that is the same model under another name; empty: none."""

    @property
    def recomputed(self) -> float | None:
        """The mean of its five scores; None: it has fewer."""
        return fmean(self.scores.values()) if len(self.scores) == len(_TASKS) else None


@dataclass(frozen=True)
class PublishedPretraining:
    """One printed row of domain-adaptive pretraining on 2,653,149 MIMIC-IV notes, one A100-80GB."""

    base: str
    """The base model."""
    method: str
    """The adapter method."""
    trainable_parameters: int
    """As printed."""
    train_perplexity: float
    """As printed."""
    test_perplexity: float
    """As printed."""
    seconds: int
    """Wall time."""


@dataclass(frozen=True)
class PublishedCohort:
    """How many ventilated admissions of MIMIC-III a paper has counted at a step."""

    step: str
    """`ventilated` for two days, or the kind of text that is read."""
    admissions: int
    prolonged: float | None
    """Share that is ventilated for seven days; None: not printed."""
    where: str


@dataclass(frozen=True)
class PublishedDataset:
    """One printed row of Table 1."""

    name: str
    """Of the dataset, in the paper's words."""
    classes: int
    """As printed."""
    meant: int
    """Classes that text and code of the paper have: the cells of LOS and PMV are swapped."""
    admissions: tuple[int, int, int]
    """Of train, validation and test."""


def dataset_of(task: str) -> PublishedDataset | None:
    """The printed size of a task (Gema et al. 2023, Table 1); None when the paper has not asked it."""
    rows = [row for row in rows_of("p1_datasets.csv") if row["dataset"] == COLUMNS.get(task)]
    if not rows:
        return None
    row = rows[0]
    name, classes = row["dataset"], int(row["classes"])
    admissions = (int(row["train"]), int(row["validation"]), int(row["test"]))
    return PublishedDataset(name, classes, _MEANT.get(name, classes), admissions)


def downstream(task: str) -> list[PublishedScore]:
    """The printed AUROCs of a task (Gema et al. 2023, Tables 3 and 4); empty when the paper has not asked it."""
    column = COLUMNS.get(task)
    if column is None:
        return []
    rows = rows_of("p1_downstream.csv")
    third = {row["model"]: row[column] for row in rows if row["table"] == "Table 3"}
    return [
        PublishedScore(
            row["model"], float(row[column]) / 100, row["table"],
            disputed=third.get(row["in_table_3"], row[column]) != row[column],
        )
        for row in rows
    ]  # fmt: skip


def outcome_rows() -> list[PublishedRow]:
    """All rows of Tables 3 and 4 (Gema et al. 2023), then what is quoted of CORe."""
    printed = [
        PublishedRow(row["model"], row["table"], _scores(row), float(row["macro"]) / 100, row["in_table_3"])
        for row in rows_of("p1_downstream.csv")
    ]
    return [*printed, *(PublishedRow(row["model"], UNVERIFIED, _scores(row)) for row in rows_of("core_outcomes.csv"))]


def ventilated_cohort() -> list[PublishedCohort]:
    """The cohorts of prolonged ventilation (Huang et al. 2020; Gema et al. 2023), the largest first."""
    return [
        PublishedCohort(
            row["step"], int(row["admissions"]), float(row["prolonged"]) / 100 if row["prolonged"] else None,
            row["where"],
        )
        for row in rows_of("ventilated_cohort.csv")
    ]  # fmt: skip


def _scores(row: Mapping[str, str]) -> dict[str, float]:
    return {name: round(float(row[name]) / 100, 6) for name in _TASKS if row.get(name)}


def remark(task: str) -> str:
    """How our task departs from the paper's; empty: not in its name."""
    return REMARKS.get(task, "")


def pretraining() -> list[PublishedPretraining]:
    """The printed perplexities and durations (Gema et al. 2023, Table 2)."""
    return [
        PublishedPretraining(
            row["base"], row["method"], int(row["trainable_parameters"]),
            float(row["train_perplexity"]), float(row["test_perplexity"]), _seconds(row["time"]),
        )
        for row in rows_of("p1_pretraining.csv")
    ]  # fmt: skip


def _seconds(clock: str) -> int:
    hours, minutes, seconds = map(int, clock.split(":"))
    return 3600 * hours + 60 * minutes + seconds


def rows_of(file: str) -> list[dict[str, str]]:
    """The lines of a table that this package ships, by column; cells as they stand."""
    text = files("chartune.published").joinpath(file).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
