"""Whom studies of prolonged ventilation leave out, and who got a tracheostomy: both by billed codes.

The codes of ICD-9 are those of Clinical XLNet (Huang et al., 2020). Its burns were chosen by their place in a list of
titles, which nobody can repeat; here they are burns of face, head and neck (941) and of 30 % of the body or more
(948.3 to 948.9). The codes of ICD-10 are chartune's translation.
"""

from typing import Final

import polars as pl

from chartune.sources.source import Records

EXCLUDED: Final = {
    9: r"^(?:14\d|3589|3590|3591|35801|941|948[3-9])",
    10: r"^(?:C0\d|C1[0-4]|G7001|G709|G710|G712|T20|T31[3-9]|Z52)",
}
"""ICD version → diagnoses that exclude: mouth and throat cancer, neuromuscular disease, burns, donors (ICD-10)."""
TRACHEOSTOMY: Final = {9: r"^31[12]", 10: r"^0B11"}
"""ICD version → procedures: temporary and permanent tracheostomy."""


def excluded(records: Records) -> pl.DataFrame:
    """hadm_id of the admissions with a diagnosis that excludes them, or of an organ donor by its title."""
    if records.diagnoses is None:
        return pl.DataFrame(schema={"hadm_id": pl.Int64})
    admissions = [_billed(records.diagnoses, EXCLUDED)]
    if records.diagnosis_titles is not None:
        donors = records.diagnosis_titles.filter(pl.col("long_title").str.to_lowercase().str.contains(r"\bdonors?\b"))
        admissions.append(records.diagnoses.join(donors, on=["icd_code", "icd_version"], how="semi").select("hadm_id"))
    return pl.concat(admissions).unique()


def tracheostomies(records: Records) -> pl.Series:
    """hadm_id of the admissions with a billed tracheostomy."""
    if records.procedures is None:
        return pl.Series("hadm_id", [], dtype=pl.Int64)
    return _billed(records.procedures, TRACHEOSTOMY)["hadm_id"].drop_nulls().unique()


def _billed(codes: pl.DataFrame, patterns: dict[int, str]) -> pl.DataFrame:
    fits = pl.any_horizontal(
        (pl.col("icd_version") == version) & pl.col("icd_code").str.contains(pattern)
        for version, pattern in patterns.items()
    )
    return codes.filter(fits).select("hadm_id")
