"""Groups of ICD codes as labels: how codes become groups, which groups are labels, what they are called.

    "42821"  diagnosis  ICD-9   → "428"        "V4581" → "V458"      three characters, four behind V or E (CORe)
    "I5023"  diagnosis  ICD-10  → "I50"
    "0331"   procedure  ICD-9   → "033"        three characters
    "0331"   … read as a number → "331"        the published labels of P1 and CORe: 03.31 falls together with 33.1

Codes are text, so that `038` (sepsis) and `38` are two things. Both versions stay apart: an admission that was coded
in one says nothing on the labels of the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from chartune.answers import ANY_OF
from chartune.tasks.code_titles import category_title
from chartune.tasks.labels import ASKED, LabelSpace, frequent, titled

Group = Callable[[pl.Expr], pl.Expr]
"""A code → its group."""
Reading = Literal["text", "numbers"]
"""`numbers`: codes lose their leading zeros, as in CORe's public code and therefore in the papers' counts."""
Version = Literal[9, 10]
MIXED: Final = "mixed"


def diagnosis_group(version: Version) -> Group:
    """Categories of diagnoses: three characters, four where an ICD-9 code begins with V or E."""

    def group(code: pl.Expr) -> pl.Expr:
        code = _plain(code)
        if version == 10:
            return code.str.slice(0, 3)
        return pl.when(code.str.contains("^[VE]")).then(code.str.slice(0, 4)).otherwise(code.str.slice(0, 3))

    return group


def procedure_group(read_as: Reading = "text") -> Group:
    """Categories of procedures: three characters of the code."""

    def group(code: pl.Expr) -> pl.Expr:
        code = _plain(code)
        if read_as == "numbers":
            code = pl.coalesce(code.cast(pl.Int64, strict=False).cast(pl.String), code)
        return code.str.slice(0, 3)

    return group


@dataclass(frozen=True)
class Billing:
    """What was billed."""

    codes: pl.DataFrame | None
    """`Records.diagnoses` or `Records.procedures`; None: the source has none."""
    titles: pl.DataFrame | None
    """Their dictionary."""
    version: Version
    """The version that is asked about."""
    group: Group
    """How codes are grouped."""


def billed(billing: Billing) -> pl.DataFrame:
    """The groups billed for each admission (`ASKED`), and whether it is `mixed`: coded in another version, too.

    A mixed one has no answer: the rest of its labels stands in the other version.
    """
    if billing.codes is None:
        return pl.DataFrame(schema={**ASKED, MIXED: pl.Boolean()})
    coded = billing.codes.filter(pl.col("icd_code").is_not_null() & (pl.col("icd_code") != ""))
    other = coded.filter(pl.col("icd_version") != billing.version)["hadm_id"].unique()
    of_version = coded.filter(pl.col("icd_version") == billing.version)
    grouped = of_version.with_columns(pl.col("hadm_id").is_in(other.implode()).alias(MIXED))
    groups = billing.group(pl.col("icd_code")).unique().sort()
    return (
        grouped.group_by("subject_id", "hadm_id", MIXED)
        .agg(asked=groups)
        .select("subject_id", "hadm_id", pl.when(~pl.col(MIXED)).then("asked").alias("asked"), MIXED)
    )


def frequent_groups(examples: pl.DataFrame, least_cases: int, billing: Billing) -> LabelSpace:
    """The groups with enough training cases, titled by the dictionary."""
    names = frequent(examples, least_cases)
    return LabelSpace(ANY_OF.kind, tuple(names), titled(names, group_titles(billing, names)))


def whole_table(billing: Billing) -> LabelSpace:
    """Every group of the whole table in order of first appearance: the published label spaces.

    They were made before notes were joined, so that some labels can have no case at all.
    """
    if billing.codes is None:
        return LabelSpace(ANY_OF.kind, (), ())
    coded = billing.codes.filter((pl.col("icd_version") == billing.version) & (pl.col("icd_code") != ""))
    names = coded.select(group=billing.group(pl.col("icd_code")))["group"].unique(maintain_order=True).to_list()
    return LabelSpace(ANY_OF.kind, tuple(names), titled(names, group_titles(billing, names)))


def group_titles(billing: Billing, names: Sequence[str]) -> dict[str, str]:
    """What these groups are called, by `chartune.tasks.code_titles`; a group without a titled code is missing."""
    if billing.titles is None or billing.codes is None:
        return {}
    of_version = pl.col("icd_version") == billing.version
    known = billing.titles.filter(of_version & pl.col("long_title").is_not_null())
    known = known.with_columns(group=billing.group(pl.col("icd_code"))).filter(pl.col("group").is_in(list(names)))
    counted = billing.codes.filter(of_version).group_by("icd_code").len()
    ranked = known.join(counted, on="icd_code", how="left", maintain_order="left").with_columns(
        itself=pl.col("icd_code") == pl.col("group"), len=pl.col("len").fill_null(0)
    )
    best = ranked.sort("itself", "len", "icd_code", descending=[True, True, False])
    each = best.group_by("group", maintain_order=True).agg(pl.col("itself").first(), titles="long_title")
    return {group: titles[0] if itself else category_title(titles, titles[0])
            for group, itself, titles in each.iter_rows()}  # fmt: skip


def _plain(code: pl.Expr) -> pl.Expr:
    return code.str.strip_chars().str.to_uppercase()
