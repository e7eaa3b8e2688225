"""chartune, asked as CORe's code asks, finds the rows that CORe's steps in pandas find; and differences are seen."""

from pathlib import Path

import polars as pl
import pytest

from chartune.made_up import make_hospital
from preparing.equality import agreements, compared
from preparing.ways import CORE, PANDAS, TASKS, WAYS, Job

ROWS = pl.DataFrame({"hadm_id": [1, 2, 3], "text": ["a", "b", "c"], "label": ["0", "1", "038,428"]})


def test_every_kind_of_difference_is_told_apart() -> None:
    theirs = pl.DataFrame({"hadm_id": [2, 3, 4], "text": ["b", "x", "d"], "label": ["0", "038,428", "1"]})
    told = compared("mortality", ROWS, theirs)
    assert (told.only_chartune, told.only_pandas, told.labels_differ, told.texts_differ) == ([1], [4], [2], [3])
    assert (told.rows, told.rows_in_pandas, told.differences) == (3, 3, 4)


def test_equal_tables_agree_in_any_order() -> None:
    assert compared("mortality", ROWS, ROWS.reverse()).differences == 0


@pytest.mark.parametrize("seed", [7, 8])
def test_chartune_and_pandas_find_the_same_rows(tmp_path: Path, seed: int) -> None:
    pytest.importorskip("pandas", reason="CORe's steps are written in pandas: pip install 'pandas>=2.2,<4'")
    hospital = tmp_path / "raw"
    make_hospital(hospital, subjects=120, seed=seed, events=False)
    made = {way: tmp_path / way.replace(": ", "-") for way in (CORE, *PANDAS)}
    for way, out in made.items():
        out.mkdir()
        assert WAYS[way](Job(way, hospital, out))() > 0
    told = agreements(hospital, made[CORE], [made[way] for way in PANDAS])
    assert [one.task for one in told] == list(TASKS)
    assert [one.differences for one in told] == [0, 0, 0, 0]
