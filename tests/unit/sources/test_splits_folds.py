"""Repeated k-fold, splits by time, and the CareVue stratum."""

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.config import Config
from chartune.errors import ConfigError, DataError
from chartune.sources.catalog import AnySplit
from chartune.sources.splits import OUT_OF_YEARS, Assignment, KFoldSplit, TemporalSplit, carevue_only


def subjects(*ids: int) -> pl.DataFrame:
    return pl.DataFrame({"subject_id": ids}, schema={"subject_id": pl.Int64})


def asked_about(split: KFoldSplit, people: pl.DataFrame) -> set[int]:
    return set(split.assign(people).frame.filter(pl.col("split") == "test")["subject_id"])


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
def test_in_each_repeat_every_patient_is_tested_exactly_once(folds: int) -> None:
    people = subjects(*range(10_000, 11_000))
    for repeat in (1, 2):
        parts = [asked_about(KFoldSplit(folds=folds, fold=f, repeat=repeat), people) for f in range(1, folds + 1)]
        assert sum(len(part) for part in parts) == 1000
        assert set().union(*parts) == set(people["subject_id"])
        assert min(len(part) for part in parts) > 0.7 * 1000 / folds


def test_another_repeat_divides_anew() -> None:
    people = subjects(*range(500))
    one, two = (asked_about(KFoldSplit(repeat=repeat), people) for repeat in (1, 2))
    assert 0 < len(one & two) < min(len(one), len(two)) / 2


def test_shares_of_the_other_folds_are_set_aside_anew_in_each_fold() -> None:
    people = subjects(*range(20_000))
    frames = [KFoldSplit(fold=fold, validation=0.2, calibration=0.1).assign(people).frame for fold in (1, 2)]
    for frame in frames:
        learnt = frame.filter(pl.col("split") != "test")
        shares = dict(learnt["split"].value_counts(normalize=True).iter_rows())
        assert shares == pytest.approx({"train": 0.7, "validation": 0.2, "calibration": 0.1}, abs=0.01)
    aside = [set(frame.filter(pl.col("split") == "validation")["subject_id"]) for frame in frames]
    assert len(aside[0] & aside[1]) < 0.4 * len(aside[0])


def test_new_patients_never_move_old_ones_between_folds() -> None:
    split = KFoldSplit(fold=3)
    few, many = split.assign(subjects(*range(100))).frame, split.assign(subjects(*range(5000, -1, -1))).frame
    assert few.equals(many.filter(pl.col("subject_id") < 100))
    assert many["subject_id"].is_sorted()


def test_the_fold_of_a_patient_is_the_same_on_every_machine() -> None:
    assert [KFoldSplit().fold_of(n) for n in range(10006, 10014)] == [3, 4, 5, 3, 5, 3, 4, 1]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"folds": 5, "fold": 6}, "fold must be from 1 to 5, the number of folds, but is 6"),
        ({"fold": 0}, "fold"),
        ({"folds": 1}, "folds"),
        ({"validation": 0.5, "calibration": 0.5}, "must be below 1"),
    ],
)
def test_a_fold_that_cannot_be_is_refused(data: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        KFoldSplit.parse(data)


GROUPS = ("2008 - 2010", "2011 - 2013", "2014 - 2016", "2017 - 2019", "2020 - 2022")


def charted(*groups: str | None) -> pl.DataFrame:
    """Patients 0, 1, 2, … of these groups."""
    ids = pl.Series(range(len(groups)), dtype=pl.Int64)
    years = pl.Series(groups, dtype=pl.String)
    return ids.alias("subject_id").to_frame().with_columns(anchor_year=pl.lit(2150, pl.Int64), anchor_year_group=years)


def test_earlier_groups_are_learnt_from_and_later_ones_are_asked_about() -> None:
    people = charted(*GROUPS * 400)
    frame = TemporalSplit(validation=0.2, calibration=0.1).assign(people).frame.join(people, on="subject_id")
    later = pl.col("anchor_year_group") >= "2017"
    assert set(frame.filter(later)["split"]) == {"test"}
    shares = dict(frame.filter(~later)["split"].value_counts(normalize=True).iter_rows())
    assert shares == pytest.approx({"train": 0.7, "validation": 0.2, "calibration": 0.1}, abs=0.04)


def test_patients_without_a_group_and_of_groups_between_are_counted_and_left_out() -> None:
    people = charted("2008 - 2010", "2011 - 2013", "2017 - 2019", None, "before the war", "2014 - 2016", "2020-2022")
    assignment = TemporalSplit(train=("2008-2010", "2011 - 2013"), validation=0).assign(people)
    assert dict(assignment.frame.iter_rows()) == {0: "train", 1: "train", 2: "test", 6: "test"}
    none, between = "have no anchor_year_group or anchor_year", "are of a group that is in neither part"
    assert assignment.warnings == (f"splits: 2 of 7 patients {none} and are left out.",)
    assert assignment.notices == (f"splits: 1 of 7 patients {between} and are left out.",)


def test_a_patient_whose_year_is_not_known_is_left_out() -> None:
    people = charted(*GROUPS).with_columns(anchor_year=pl.when(pl.col("subject_id") != 1).then("anchor_year"))
    assert TemporalSplit().assign(people).frame["subject_id"].to_list() == [0, 2, 3, 4]


@pytest.mark.parametrize(
    ("group", "train", "kept", "left_out"),
    [
        ("2014 - 2016", GROUPS[:3], (2100, 2149, 2150), (2151, 2152, 2190)),  # 2151: 2015 to 2017
        ("2011 - 2013", GROUPS[:3], (2100, 2150, 2153), (2154, 2190)),
        ("2011 - 2013", GROUPS[:2], (2100, 2150, 2153), (2154, 2190)),
        ("2017 - 2019", GROUPS[:3], (2148, 2150, 2190), (2147, 2100)),  # 2148: 2015 to 2017
        ("2020 - 2022", GROUPS[:3], (2145, 2150, 2190), (2144, 2100)),
    ],
)
def test_what_may_lie_in_the_years_of_the_test_is_not_learnt_from_and_what_lies_before_not_asked_about(
    group: str, train: tuple[str, ...], kept: tuple[int, ...], left_out: tuple[int, ...]
) -> None:
    people = charted(group, "2017 - 2019" if group < "2017" else "2008 - 2010")
    assignment = TemporalSplit(train=train, validation=0).assign(people)
    times = [datetime(year, 7, 1) for year in (*kept, *left_out)] + [None]  # noqa: DTZ001
    rows = pl.DataFrame({"subject_id": [0] * len(times), "admittime": times}, schema_overrides={"subject_id": pl.Int64})
    usual = "train" if group < "2017" else "test"
    placed = assignment.placed(rows, "admittime")
    assert placed["split"].to_list() == [usual] * len(kept) + [OUT_OF_YEARS] * len(left_out) + [usual]
    assert placed.columns == ["subject_id", "admittime", "split"]


def test_other_splits_ask_for_no_year() -> None:
    rows = pl.DataFrame({"subject_id": [1, 9], "admittime": [None, datetime.fromisoformat("2150-01-01")]})
    assert PLACED.placed(rows, "admittime")["split"].to_list() == ["train", None]


def test_a_source_without_groups_of_years_cannot_be_split_by_time() -> None:
    for lacking in (subjects(1, 2), charted(*GROUPS).drop("anchor_year"), charted(*GROUPS).drop("anchor_year_group")):
        with pytest.raises(DataError, match="only MIMIC-IV has them"):
            TemporalSplit().assign(lacking)
    with pytest.raises(DataError, match=r"0 patients are of its groups to learn from.*the source's groups are: none"):
        TemporalSplit().assign(charted(None, None))
    with pytest.raises(DataError, match=r"groups are: 2008 - 2010, 2011 - 2013\. Choose"):
        TemporalSplit().assign(charted("2008 - 2010", "2011 - 2013"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"train": ["2017 - 2019"]}, "must name groups before test"),
        ({"train": []}, "but none do not all lie before 2017 - 2019"),
        ({"test": "2008 - 2010"}, "must name groups before test"),
        ({"test": "later"}, "must read like 2008 - 2010"),
        ({"validation": 1.0}, "must be below 1"),
    ],
)
def test_a_temporal_split_that_looks_back_is_refused(data: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        TemporalSplit.parse(data)


def test_every_kind_of_split_can_be_told_in_yaml(tmp_path: Path) -> None:
    class Holder(Config):
        splits: AnySplit

    for kind in ("hash", "kfold", "temporal"):
        holder = Holder.parse({"splits": {"kind": kind, "salt": "x"}})
        holder.write(tmp_path / "h.yaml")
        assert Holder.read(tmp_path / "h.yaml") == holder
        assert holder.splits.rule() == holder.splits.hashable()


PLACED = Assignment(
    pl.DataFrame({"subject_id": [1, 2, 3, 4, 5, 6], "split": ["train", "test", "test", "test", "test", "test"]}),
    ("said before",),
)


def stays(*rows: tuple[int, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"subject_id": pl.Int64, "dbsource": pl.String}, orient="row")


def test_the_carevue_stratum_leaves_only_patients_whose_every_stay_was_charted_there_in_the_test_split() -> None:
    charted_in = stays(
        (1, "metavision"), (2, "carevue"), (2, "CareVue "), (3, "carevue"), (3, "metavision"), (4, "both"), (5, None)
    )
    assignment = carevue_only(PLACED, charted_in)
    assert dict(assignment.frame.iter_rows()) == {1: "train", 2: "test"}
    assert assignment.warnings == ("said before",)
    assert assignment.notices == (
        "splits: 3 of 5 test patients have an ICU stay that was not charted in CareVue and are left out, and 1 who "
        "have no ICU stay.",
    )


@pytest.mark.parametrize("known", [None, stays((2, None)), stays()])
def test_a_source_that_does_not_know_where_stays_were_charted_has_no_carevue_stratum(
    known: pl.DataFrame | None,
) -> None:
    with pytest.raises(DataError, match="needs ICUSTAYS with its column DBSOURCE"):
        carevue_only(PLACED, known)


def test_a_stratum_without_anybody_is_refused() -> None:
    with pytest.raises(DataError, match="of 5 test patients 1 have stays charted elsewhere and 4 none at all"):
        carevue_only(PLACED, stays((2, "metavision")))
