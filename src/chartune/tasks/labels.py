"""Label spaces: the answers that a task knows, in the order of their numbers.

             binary, multiclass   multilabel
    asked    ["died"]             ["428", "584"]     what applies to an admission, by name
    label    1                    [0, 17]            the same, numbered by the space

`Answer` says how many may apply at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

import polars as pl

from chartune.tasks.positive import PositiveBy

ENOUGH_CASES: Final = 10
"""Training cases below which a label is neither learnt from a hospital's own table nor scored: its score is chance."""

Answer = Literal["binary", "multiclass", "multilabel"]
"""`binary`: one of two; `multiclass`: one of several; `multilabel`: any number of them."""

ASKED: dict[str, pl.DataType] = {
    "subject_id": pl.Int64(),
    "hadm_id": pl.Int64(),
    "asked": pl.List(pl.String()),
}
"""Columns of what a source answers: names of the labels that apply to an admission; null: it is not known."""


@dataclass(frozen=True)
class LabelSpace:
    """The answers that are learnt and scored."""

    answer: Answer
    """How many of them apply at once."""
    labels: tuple[str, ...]
    """Their names, such as `died` or the code group `428`; a label's number is its place."""
    titles: tuple[str, ...]
    """What people call them, such as `Heart failure`."""
    positive_by: PositiveBy = "definition"
    """Who says which class of a yes-or-no task is asked about."""

    @property
    def positive(self) -> str | None:
        """The class that a yes-or-no task asks about, whose number is 1; None: it is another task."""
        return self.labels[1] if self.answer == "binary" and len(self.labels) == 2 else None

    def number(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Examples with `label` instead of `asked`: i64, or list[i32] of a multilabel task; null: not in this space."""
        numbers = pl.DataFrame({"asked": self.labels, "label": range(len(self.labels))},
                               schema={"asked": pl.String, "label": pl.Int32})  # fmt: skip
        if self.answer != "multilabel":
            named = examples.with_columns(pl.col("asked").list.first())
            numbered = named.join(numbers, on="asked", how="left", maintain_order="left")
            return numbered.with_columns(pl.col("label").cast(pl.Int64)).drop("asked")
        key = examples.with_row_index("_row").select("_row", "asked").explode("asked", empty_as_null=True)
        lists = key.join(numbers, on="asked").group_by("_row").agg(pl.col("label").sort())
        rows = examples.with_row_index("_row").join(lists, on="_row", how="left", maintain_order="left")
        return rows.with_columns(pl.col("label").fill_null(pl.lit([], dtype=pl.List(pl.Int32)))).drop("_row", "asked")

    def counts(self, label: pl.Series) -> dict[str, int]:
        """What a data card says of a split's labels."""
        if self.answer == "binary":
            return {"positives": int(label.sum())}
        return {"labels_assigned": int(label.list.len().sum())} if self.answer == "multilabel" else {}

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


def frequent(examples: pl.DataFrame, least_cases: int) -> list[str]:
    """The names that apply to at least so many training examples, sorted."""
    train = examples.filter(pl.col("split") == "train").explode("asked", empty_as_null=True).drop_nulls("asked")
    counted = train.group_by("asked").len().filter(pl.col("len") >= least_cases)
    return sorted(counted["asked"].to_list())


def titled(names: Sequence[str], titles: Mapping[str, str]) -> tuple[str, ...]:
    """The title of each name; where there is none, the name itself."""
    return tuple(titles.get(name) or name for name in names)
