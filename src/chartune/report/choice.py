"""Which variant was chosen on what: whose test split was scored, and the validation scores that choices are made by."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from chartune.disclosure import TOO_FEW
from chartune.report.table import Cell, Column, Table
from chartune.report.variants import Variant, named, score
from chartune.runs.run import CHOOSING

FINAL: Final = "scored, as a final variant"
NOT_FINAL: Final = "not scored"
NOTE: Final = (
    "Choices are made by the validation split. The test split was scored for the final variants alone; a validation "
    "score is no estimate of how well the chosen one does on new patients."
)


def choice_table(variants: Sequence[Variant], caption: str, detectable: str = "") -> Table | None:
    """The validation scores of all variants, and whose test split was scored; None where it was everybody's.

    Args:
        variants: of one task, or of the adaptation.
        caption: whose scores.
        detectable: the smallest difference that the test split would show; empty: not known.
    """
    if all(variant.final for variant in variants):
        return None
    title = variants[0].run.headline.title
    columns = (
        Column("Variant", numeric=False), Column(title, "on the validation split"),
        Column("Test split", numeric=False),
    )  # fmt: skip
    rows = tuple((named(v), _watched(v), Cell(FINAL if v.final else NOT_FINAL)) for v in variants)
    return Table(caption, columns, rows, f"{NOTE} {detectable}".strip())


def choices_said(variants: Sequence[Variant]) -> tuple[str, ...]:
    """How many variants are not final, as a sentence; nothing where all are."""
    waiting = sum(not variant.final for variant in variants)
    if not waiting:
        return ()
    verb = "variant is" if waiting == 1 else "variants are"
    return (
        f"{waiting} of {len(variants)} {verb} not final: of them only the validation split was scored, and no test "
        f"score exists.",
    )


def _watched(variant: Variant) -> Cell:
    """The headline score on the validation split, as it may be shown."""
    behind = replace(variant, behind=variant.watched)
    if behind.hidden or behind.hides(variant.headline, CHOOSING):
        return Cell(TOO_FEW)
    return score(behind.score(variant.headline, CHOOSING))
