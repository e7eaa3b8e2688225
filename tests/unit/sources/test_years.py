"""Groups of years are written in one way, whatever blanks they came with."""

from pathlib import Path

import polars as pl
import pytest

from chartune.errors import ConfigError
from chartune.sources.mimic4 import Mimic4
from chartune.sources.years import as_written, written
from chartune.tasks.corpus import Corpus
from chartune.testing.raw_tables import PATIENTS_4, RawHospital, write_table


@pytest.mark.parametrize("group", ["2014 - 2016", "2014-2016", " 2014 -2016 "])
def test_blanks_mean_nothing(group: str, tmp_path: Path) -> None:
    assert written(group) == "2014 - 2016"
    assert pl.DataFrame({"group": [group]}).select(as_written(pl.col("group"))).item() == "2014 - 2016"
    assert Corpus(anchor_year_groups=(group,)) == Corpus(anchor_year_groups=("2014 - 2016",))
    raw = RawHospital()
    raw.stay(1)
    folder = raw.write_mimic4(tmp_path)
    write_table(folder / "hosp" / "patients.csv.gz", PATIENTS_4, [(1, "F", 50, 2100, group, None)])
    assert Mimic4(folder=folder).load().subjects["anchor_year_group"].to_list() == ["2014 - 2016"]


def test_what_is_no_group_is_refused_in_a_config_and_kept_in_a_table() -> None:
    with pytest.raises(ConfigError, match="a group of years must read like 2008 - 2010"):
        Corpus.parse({"anchor_year_groups": ["2014"]})
    cells = pl.DataFrame({"group": ["later", None]}).select(as_written(pl.col("group")))
    assert cells["group"].to_list() == ["later", None]
