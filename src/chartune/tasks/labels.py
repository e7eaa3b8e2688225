"""Label spaces: the answers that a task knows, in the order of their numbers.

             binary, multiclass   multilabel
    asked    ["died"]             ["428", "584"]     what applies to an admission, by name
    label    1                    [0, 17]            the same, numbered by the space

The form of the answer (`chartune.answers`) says how many may apply at once, and numbers them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import polars as pl

from chartune.answers import Answer, answer_of
from chartune.tasks.positive import PositiveBy

ASKED: dict[str, pl.DataType] = {
    "subject_id": pl.Int64(),
    "hadm_id": pl.Int64(),
    "asked": pl.List(pl.String()),
}
"""Columns of what a source answers: names of the labels that apply to an admission; null: it is not known."""


@dataclass(frozen=True)
class LabelSpace:
    """The answers that are learnt and scored."""

    answer: str
    """Kind of their form."""
    labels: tuple[str, ...]
    """Their names, such as `died` or the code group `428`; a label's number is its place."""
    titles: tuple[str, ...]
    """What people call them, such as `Heart failure`."""
    positive_by: PositiveBy = "definition"
    """Who says which class of a yes-or-no task is asked about."""

    @property
    def form(self) -> Answer:
        """How many of them apply at once, and all that follows."""
        return answer_of(self.answer)

    @property
    def positive(self) -> str | None:
        """The class that a yes-or-no task asks about, whose number is 1; None: it is another task."""
        return self.labels[1] if self.form.one_outcome and len(self.labels) == 2 else None

    def number(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Examples with `label` instead of `asked`; null, or not in a list: it is not in this space."""
        return self.form.numbered(examples, self.labels)

    def counts(self, label: pl.Series) -> dict[str, int]:
        """What a data card says of a split's labels."""
        return self.form.tally(label)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; of a yes-or-no task with `positive`, the class that is asked about, and who says so."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        by = plain.pop("positive_by")
        return plain if self.positive is None else {**plain, "positive": self.positive, "positive_by": by}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; further entries are passed over."""
        by = data.get("positive_by", "definition")
        return cls(data["answer"], tuple(data["labels"]), tuple(data["titles"]), by)


def one_each(named: pl.DataFrame) -> pl.DataFrame:
    """Admissions with one name in `asked`, as `ASKED`; those without one are left out: it is not known."""
    return named.drop_nulls("asked").with_columns(pl.concat_list("asked")).cast(ASKED)  # type: ignore[arg-type]


def training_labels(examples: pl.DataFrame) -> pl.DataFrame:
    """The training examples, a row per name in `asked`."""
    return examples.filter(pl.col("split") == "train").explode("asked", empty_as_null=True).drop_nulls("asked")


def frequent(examples: pl.DataFrame, least_cases: int) -> list[str]:
    """The names that apply to at least so many training examples, sorted."""
    counted = training_labels(examples).group_by("asked").len().filter(pl.col("len") >= least_cases)
    return sorted(counted["asked"].to_list())


def titled(names: Sequence[str], titles: Mapping[str, str]) -> tuple[str, ...]:
    """The title of each name; where there is none, the name itself."""
    return tuple(titles.get(name) or name for name in names)
