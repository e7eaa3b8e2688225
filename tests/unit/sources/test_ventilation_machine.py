"""A machine through a cannula in MIMIC-IV: one episode beside the published ones, which take it to pieces.

The charts are shaped as in the open demo of MIMIC-III: devices stand minutes beside the machine's mode.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl
import pytest

from chartune.sources.ventilation.episodes import ON_MACHINE
from chartune.sources.ventilation.items import DEVICE_4, HAMILTON_4, MODE_4
from chartune.sources.ventilation.mimic4 import derived, statuses

BEGIN: Final = datetime.fromisoformat("2130-05-01")
Charted = tuple[float, int, str]
"""(hours, item, value)."""
TUBE, CANNULA, MASK = "Endotracheal tube", "Tracheostomy tube", "Trach mask"
CUT: Final[list[Charted]] = [
    (0, MODE_4, "CMV"), (4, MODE_4, "CMV"), (4.2, DEVICE_4, TUBE), (8, MODE_4, "CMV"), (8.25, DEVICE_4, CANNULA),
    (12, DEVICE_4, CANNULA), (12, MODE_4, "CPAP/PSV"), (20, MODE_4, "CPAP/PSV"), (20.75, DEVICE_4, CANNULA),
]  # fmt: skip
"""The tube becomes a cannula after eight hours."""


def found(*charts: list[Charted], of: tuple[str, ...]) -> set[tuple[int, str, float, float]]:
    """(stay, status, start, end in hours) of these statuses; one patient, one ICU stay per chart."""
    rows = [
        {"subject_id": 1, "stay_id": stay, "charttime": BEGIN + timedelta(hours=hours), "storetime": None,
         "itemid": item, "value": value}
        for stay, chart in enumerate(charts, 1) for hours, item, value in chart
    ]  # fmt: skip
    schema: dict[str, Any] = {"subject_id": pl.Int64, "stay_id": pl.Int64, "charttime": pl.Datetime("us"),
                              "storetime": pl.Datetime("us"), "itemid": pl.Int64, "value": pl.String}  # fmt: skip
    episodes = derived(statuses(pl.DataFrame(rows, schema=schema), "fixed"))
    hours = ((pl.col(name) - BEGIN).dt.total_seconds() / 3600 for name in ("starttime", "endtime"))
    return set(episodes.filter(pl.col("status").is_in(of)).select("stay_id", "status", *hours).iter_rows())


@pytest.mark.parametrize(
    ("later", "ends"),
    [
        pytest.param([], 20, id="the end is its last mode"),
        pytest.param([(21, DEVICE_4, MASK), (23, DEVICE_4, MASK)], 21, id="or when the patient breathes alone"),
        pytest.param([(22, HAMILTON_4, "ASV"), (22, DEVICE_4, MASK)], 22, id="a mode beside a mask is a machine"),
        pytest.param([(23, DEVICE_4, "T-piece"), (24, DEVICE_4, CANNULA), (25, DEVICE_4, CANNULA)], 20,
                     id="a cannula alone prolongs nothing"),
        pytest.param([(21, HAMILTON_4, "NIV"), (21, DEVICE_4, CANNULA), (22, HAMILTON_4, "DuoPaP"),
                      (22, DEVICE_4, CANNULA)], 20, id="nor does one beside a mode for masks"),
        pytest.param([(33, DEVICE_4, CANNULA), (33.5, MODE_4, "CMV")], 33.5, id="nor does it break anything"),
    ],
)  # fmt: skip
def test_a_machine_through_a_cannula_is_one_episode(later: list[Charted], ends: float) -> None:
    assert found([*CUT, *later], of=(ON_MACHINE,)) == {(1, ON_MACHINE, 0, ends)}


def test_the_published_episodes_stand_beside_it() -> None:
    assert found(CUT, of=("invasive", "tracheostomy")) == {(1, "invasive", 0, 8.25), (1, "tracheostomy", 8.25, 20)}


def test_only_a_stay_with_a_tracheostomy_has_one() -> None:
    later = [(hours + 200, item, value) for hours, item, value in CUT]
    assert found(CUT[:4], of=(ON_MACHINE,)) == set()
    assert {stay for stay, *_ in found(CUT[:4], later, of=(ON_MACHINE,))} == {2}
