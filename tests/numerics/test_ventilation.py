"""Ventilation episodes against an oracle: both published rule sets, restated row by row in plain Python.

The oracle shares no code and no list of items with the package. It is held to cases made by hand, and the package to
it: on those cases, on random charts, on the rows of the open demo, and on a made-up hospital whose truth is known.
"""

import csv
import gzip
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from chartune.made_up import make_hospital
from chartune.sources.icu_stays import ICUSTAYS_3
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.sources.tables import Tally
from chartune.sources.ventilation import EPISODES, mimic3, mimic4
from chartune.testing import ventilation_oracle as oracle
from chartune.testing.made_up_tables import rows as table_rows
from chartune.testing.open_data import open_data
from chartune.testing.raw_tables import CHARTEVENTS, CHARTEVENTS_4, PROCEDUREEVENTS_MV, made, write_table
from chartune.testing.ventilation_oracle import Episode, Hours, Join, Row, episodes_3, episodes_4

STAYS: Final = pl.DataFrame(schema={"subject_id": pl.Int64, "stay_id": pl.Int64, "hadm_id": pl.Int64})
DAY: Final = "2130-05-01"
Charted = tuple[str, int, str | None]
"""(time of day, itemid, value) of a row of the chart."""
BOTH: Final[list[tuple[Join, Hours]]] = [
    (join, hours) for join in ("mimic-code", "fixed") for hours in ("boundaries", "elapsed")
]


def at(moment: str) -> datetime:
    """`08:00` is on the first day, `2 08:00` on the second."""
    day, _, time = moment.rpartition(" ")
    return datetime.fromisoformat(f"{DAY} {time}") + timedelta(days=int(day or 1) - 1)


def chart_3(rows: list[Charted], **fixed: Any) -> list[Row]:
    """Rows of CHARTEVENTS of one ICU stay."""
    same = {"subject_id": "1", "icustay_id": "7", "error": ""} | fixed
    return [{**same, "charttime": str(at(t)), "itemid": str(i), "value": v or ""} for t, i, v in rows]


def chart_4(rows: list[Charted], **fixed: Any) -> list[Row]:
    """Rows of chartevents of one ICU stay."""
    same = {"subject_id": "1", "stay_id": "7"} | fixed
    return [
        {"storetime": str(at(t)), **same, "charttime": str(at(t)), "itemid": str(i), "value": v or ""}
        for t, i, v in rows
    ]


def written(file: Path, columns: tuple[str, ...], rows: list[Row]) -> Path:
    write_table(file, columns, [tuple(row.get(name.lower()) or None for name in columns) for row in rows])
    return file


def found_3(folder: Path, chart: list[Row], procedures: list[Row]) -> set[Episode]:
    """What the package finds in these rows, written as MIMIC-III's files."""
    files = {
        "CHARTEVENTS": written(folder / "CHARTEVENTS.csv.gz", CHARTEVENTS, chart),
        "PROCEDUREEVENTS_MV": written(folder / "PROCEDUREEVENTS_MV.csv.gz", PROCEDUREEVENTS_MV, procedures),
    }
    return told(mimic3.episodes(files, {name: Tally() for name in files}, STAYS))


def found_4(folder: Path, chart: list[Row], join: Join, hours: Hours, own: bool = False) -> set[Episode]:
    """What the package finds in these rows, written as MIMIC-IV's file; `own`: not as published, but beside it."""
    files = {"chartevents": written(folder / "chartevents.csv.gz", CHARTEVENTS_4, chart)}
    found = mimic4.episodes(files, {"chartevents": Tally()}, STAYS, counting=hours)[join]
    return told(found.filter((pl.col("status") == "on-machine") == own))


def told(frame: pl.DataFrame) -> set[Episode]:
    """Episodes as the oracle has them."""
    assert frame.schema == pl.Schema(EPISODES)
    some = {Episode(*row) for row in frame.select("stay_id", "status", "starttime", "endtime").iter_rows()}
    assert len(some) == frame.height
    return some


def spans(episodes: set[Episode]) -> list[tuple[str, str, str]]:
    """(status, start, end) as `1 08:00`, the form in which answers are written below."""
    return sorted((episode.status, _moment(episode.start), _moment(episode.end)) for episode in episodes)


def _moment(time: datetime) -> str:
    return f"{(time - datetime.fromisoformat(DAY)).days + 1} {time:%H:%M}"


PEEP, TUBE_OUT, BY_PATIENT = 220339, 227194, 225468


def machine(*times: str) -> list[Charted]:
    return [(time, PEEP, "5") for time in times]


@pytest.mark.parametrize(
    ("rows", "procedures", "answer"),
    [
        pytest.param(machine("00:00", "08:00"), [], [("00:00", "08:00")], id="eight hours are no pause"),
        pytest.param(machine("00:00", "08:01"), [], [], id="a minute more is one, and single rows are dropped"),
        pytest.param(machine("00:00", "01:00", "10:00", "11:00"), [], [("00:00", "01:00"), ("10:00", "11:00")],
                     id="a pause parts two episodes"),
        pytest.param(machine("00:00", "02:00", "03:00", "04:00"), [("02:00", TUBE_OUT)],
                     [("00:00", "02:00"), ("03:00", "04:00")], id="the tube out at the time of a setting"),
        pytest.param(machine("00:00", "01:00", "03:00", "04:00"), [("02:00", TUBE_OUT)],
                     [("00:00", "02:00"), ("03:00", "04:00")], id="the tube out ends an episode"),
        pytest.param(machine("00:00", "01:00", "03:00", "04:00"), [("02:00", BY_PATIENT)],
                     [("00:00", "02:00"), ("03:00", "04:00")], id="the patient took the tube out"),
        pytest.param(machine("00:00", "01:00"), [("02:00", TUBE_OUT), ("02:00", TUBE_OUT)], [("00:00", "02:00")],
                     id="an extubation that was entered twice is one"),
        pytest.param(machine("00:00", "01:00"), [("02:00", TUBE_OUT), ("02:00", BY_PATIENT)], [("00:00", "01:00")],
                     id="two ways out at one time share the later number, as in SQL"),
        pytest.param([*machine("00:00", "01:00"), ("02:00", 640, "Self Extubation"), *machine("03:00", "04:00")], [],
                     [("00:00", "02:00"), ("03:00", "04:00")], id="CareVue's self extubation"),
        pytest.param([*machine("00:00", "01:00"), ("02:00", 467, "Nasal Cannula"), *machine("03:00", "04:00")], [],
                     [("00:00", "01:00"), ("03:00", "04:00")], id="oxygen between"),
        pytest.param([*machine("00:00", "01:00"), ("02:00", 467, "None"), *machine("03:00", "04:00")], [],
                     [("00:00", "04:00")], id="room air is not oxygen"),
        pytest.param([("00:00", 467, "Ventilator "), ("01:00", 467, " Ventilator")], [], [("00:00", "01:00")],
                     id="blanks at the ends of a value"),
        pytest.param([("00:00", 720, "Other/Remarks"), ("01:00", 720, "Other/Remarks")], [], [],
                     id="a mode that is none"),
        pytest.param([("00:00", 459, "20"), ("01:00", 459, "20")], [], [], id="the item that is never selected"),
        pytest.param([("00:00", PEEP, None), ("01:00", PEEP, "5")], [], [], id="no value"),
        pytest.param([("00:00", 640, "Extubated"), ("01:00", 640, "Extubated")], [], [], id="no machine"),
    ],
)  # fmt: skip
def test_the_rules_for_mimic3_give_the_answers_made_by_hand(
    tmp_path: Path, rows: list[Charted], procedures: list[tuple[str, int]], answer: list[tuple[str, str]]
) -> None:
    chart = chart_3(rows)
    done = [
        {"subject_id": "1", "icustay_id": "7", "starttime": str(at(time)), "itemid": str(item)}
        for time, item in procedures
    ]
    expected = [("ventilated", f"1 {start}", f"1 {end}") for start, end in answer]
    assert spans(episodes_3(chart, done)) == expected
    assert spans(found_3(tmp_path, chart, done)) == expected


def test_rows_of_no_stay_or_in_error_are_no_part_of_any_episode(tmp_path: Path) -> None:
    chart = chart_3(machine("00:00", "01:00"))
    chart += chart_3(machine("02:00"), icustay_id="") + chart_3(machine("03:00"), error="1")
    assert spans(episodes_3(chart, [])) == spans(found_3(tmp_path, chart, [])) == [("ventilated", "1 00:00", "1 01:00")]


DEVICE, MODE, VENT_MODE_HAMILTON, FLOW = 226732, 223849, 229314, 223834


def tube(*times: str) -> list[Charted]:
    return [(time, MODE, "CMV") for time in times]


@pytest.mark.parametrize(
    ("rows", "answers"),
    [
        pytest.param(tube("00:00", "13:59"), {"": [("invasive", "1 00:00", "1 13:59")]}, id="less than 14 h"),
        pytest.param(tube("00:00", "14:00"), {"": []}, id="14 h are a pause"),
        pytest.param(tube("00:59", "14:00"), {"boundaries": [], "elapsed": [("invasive", "1 00:59", "1 14:00")]},
                     id="14 strokes of the clock in 13 hours and a minute"),
        pytest.param([*tube("00:00", "01:00"), ("03:00", VENT_MODE_HAMILTON, "NIV")],
                     {"": [("invasive", "1 00:00", "1 03:00")]}, id="a row lasts until the next one"),
        pytest.param([*tube("00:00", "01:00"), ("20:00", VENT_MODE_HAMILTON, "NIV")],
                     {"": [("invasive", "1 00:00", "1 01:00")]}, id="but not for 14 h"),
        pytest.param([*tube("00:00"), ("01:00", VENT_MODE_HAMILTON, "NIV"), *tube("02:00")], {"": []},
                     id="episodes of a single row are dropped"),
        pytest.param([("00:00", DEVICE, "CPAP mask "), ("01:00", DEVICE, "CPAP mask")],
                     {"mimic-code": [], "fixed": [("non-invasive", "1 00:00", "1 01:00")]}, id="a device without flow"),
        pytest.param([("00:00", DEVICE, "Nasal cannula"), ("00:00", FLOW, "4"), ("01:00", DEVICE, "Nasal cannula"),
                      ("01:00", FLOW, "2")], {"": [("oxygen", "1 00:00", "1 01:00")]}, id="a device with flow"),
        pytest.param([(time, item, value) for time in ("00:00", "02:00") for item, value in
                      ((DEVICE, "Trach mask"), (MODE, "CMV"), (FLOW, "9"))],
                     {"": [("tracheostomy", "1 00:00", "1 02:00")]}, id="a tracheostomy comes before a machine"),
        pytest.param([(time, item, value) for time in ("00:00", "02:00") for item, value in
                      ((DEVICE, "Nasal cannula"), (DEVICE, "Bipap mask"), (FLOW, "9"))],
                     {"": [("non-invasive", "1 00:00", "1 02:00")]}, id="a mask as second device"),
        pytest.param([(time, item, value) for time in ("00:00", "02:00") for item, value in
                      ((DEVICE, "None"), (FLOW, "0"))], {"": [("none", "1 00:00", "1 02:00")]}, id="room air"),
        pytest.param([(time, item, value) for time in ("00:00", "02:00") for item, value in
                      ((DEVICE, "T-piece"), (FLOW, "9"))], {"": []}, id="a device that decides nothing"),
        pytest.param([("00:00", MODE, "Standby"), *tube("00:00", "02:00")], {"": []},
                     id="of two modes the last in the alphabet counts"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("join", "hours"), BOTH)
def test_the_rules_for_mimic4_give_the_answers_made_by_hand(
    tmp_path: Path, rows: list[Charted], answers: dict[str, list[tuple[str, str, str]]], join: Join, hours: Hours
) -> None:
    chart = chart_4(rows)
    (answer,) = [answers[name] for name in ("", join, hours) if name in answers]
    assert spans(episodes_4(chart, join, hours)) == answer
    assert spans(found_4(tmp_path, chart, join, hours)) == answer


def test_of_several_devices_the_one_entered_last_comes_first(tmp_path: Path) -> None:
    chart: list[Row] = []
    for time in ("00:00", "02:00"):
        chart += chart_4([(time, DEVICE, "Nasal cannula"), (time, FLOW, "9")])
        chart += chart_4([(time, DEVICE, "High flow nasal cannula")], storetime=str(at("05:00")))
        chart += chart_4([(time, DEVICE, "Venti mask")], storetime="")
    for join, hours in BOTH:
        found = spans(found_4(tmp_path, chart, join, hours))
        assert found == spans(episodes_4(chart, join, hours)) == [("high-flow", "1 00:00", "1 02:00")]


def _values_3() -> Callable[[random.Random], tuple[int, str]]:
    spoken = {
        720: ["Assist Control", "Other/Remarks"], 223848: ["Drager", "Other"],
        640: ["Extubated", "Self Extubation", "x"],
        467: [*oracle.CAREVUE_OXYGEN, "Ventilator", "None", "Other", "nasal cannula"],
        226732: [*oracle.METAVISION_OXYGEN, "None", "Endotracheal tube", "Nasal Cannula"],
    }  # fmt: skip

    def draw(dice: random.Random) -> tuple[int, str]:
        if dice.random() < 0.45:
            return dice.choice(oracle.ANY_VALUE), dice.choice(["5", "CMV", '5, "set"', "5\nset"])
        if dice.random() < 0.15:
            return dice.choice(oracle.NEVER), "1"
        item = dice.choice(list(spoken))
        return item, dice.choice(spoken[item]) + dice.choice(["", "", " "])

    return draw


@pytest.fixture(params=[True, False], ids=["in memory", "through the disk"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether memory holds all rows of the chart at once, or some dozens."""
    if not request.param:
        monkeypatch.setattr("chartune.sources.ventilation.by_patient._WAITING", 60)


@pytest.mark.usefixtures("held")
def test_on_random_charts_of_mimic3_package_and_oracle_agree(tmp_path: Path) -> None:
    dice, draw = random.Random(3), _values_3()
    chart: list[Row] = []
    procedures: list[Row] = []
    for stay in range(400):
        ids = {"subject_id": str(stay // 2), "icustay_id": str(stay)}
        for _ in range(dice.randrange(2, 40)):
            item, value = draw(dice)
            chart.append({
                **ids, "icustay_id": "" if dice.random() < 0.02 else ids["icustay_id"], "itemid": str(item),
                "charttime": str(at("00:00") + timedelta(minutes=30 * dice.randrange(96 + 200 * (stay % 3)))),
                "value": "" if dice.random() < 0.04 else value, "error": dice.choice(["", "0", "0", "0", "1"]),
            })  # fmt: skip
        for _ in range(dice.choice([0, 0, 1, 2, 4])):
            time = str(at("00:00") + timedelta(minutes=30 * dice.randrange(96)))
            item = dice.choice([TUBE_OUT, BY_PATIENT, 225477, 225792])
            procedures += [{**ids, "starttime": time, "itemid": str(item)}] * dice.choice([1, 1, 2])
    dice.shuffle(chart)
    found = found_3(tmp_path, chart, procedures)
    assert found == episodes_3(chart, procedures)
    assert len(found) > 300


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(("join", "hours"), BOTH)
def test_on_random_charts_of_mimic4_package_and_oracle_agree(tmp_path: Path, join: Join, hours: Hours) -> None:
    dice = random.Random(4)
    devices = [*oracle.OXYGEN_4, "None", "Tracheostomy tube", "Trach mask", "Endotracheal tube", "Bipap mask ",
               "CPAP mask", "High flow nasal cannula", "T-piece", "Other"]  # fmt: skip
    values = {
        MODE: [*oracle.MODES, "Standby", "Other"],
        VENT_MODE_HAMILTON: [*oracle.HAMILTON, *oracle.HAMILTON_MASK, "SPONT"], DEVICE: devices, FLOW: ["4"],
        227582: ["6"], 227287: ["2"],
    }  # fmt: skip
    chart: list[Row] = []
    for stay in range(400):
        usual = {item: dice.sample(some, k=min(2, len(some))) for item, some in values.items()}
        for _ in range(dice.randrange(2, 25)):
            time = at("00:00") + timedelta(minutes=dice.choice([0, 1, 59]) + 60 * dice.randrange(100))
            for _ in range(dice.choice([1, 2, 3, 7])):
                item = dice.choice([*values, DEVICE, DEVICE, DEVICE, FLOW, *oracle.SETTINGS_4[:2]])
                stored = time + timedelta(minutes=dice.randrange(3))
                chart.append({
                    "subject_id": str(stay), "stay_id": "" if dice.random() < 0.02 else str(1000 + stay),
                    "charttime": str(time), "storetime": "" if dice.random() < 0.1 else str(stored),
                    "itemid": str(item), "value": "" if dice.random() < 0.03 else dice.choice(usual.get(item, ["5"])),
                })  # fmt: skip
    dice.shuffle(chart)
    found = found_4(tmp_path, chart, join, hours)
    assert found == episodes_4(chart, join, hours)
    cut = {one.stay_id for one in found if one.status == "tracheostomy"}
    own = {one for one in episodes_4(chart, join, hours, machine_first=True) if one.status == "on-machine"}
    assert own > found_4(tmp_path, chart, join, hours, own=True) >= {one for one in own if one.stay_id in cut}
    assert {one.status for one in found} == {"invasive", "non-invasive", "tracheostomy", "high-flow", "oxygen", "none"}
    assert len(found) > 150


def read_rows(file: Path) -> list[Row]:
    with gzip.open(file, "rt", newline="") as lines:
        reader = csv.reader(lines)
        names = [name.lower() for name in next(reader)]
        return [dict(zip(names, cells, strict=True)) for cells in reader]


@pytest.mark.parametrize(
    ("name", "chart", "count", "stays"),
    [("mimic-iii-demo-1.4", "derived/CHARTEVENTS_ventilation.csv.gz", 80, 52),
     ("codiesp-as-mimic-iii", "CHARTEVENTS.csv.gz", 63, 40)],
)  # fmt: skip
def test_on_open_data_package_and_oracle_agree(tmp_path: Path, name: str, chart: str, count: int, stays: int) -> None:
    folder = open_data(name)
    for file in folder.glob("*.csv*"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "CHARTEVENTS.csv.gz").unlink(missing_ok=True)
    (tmp_path / "CHARTEVENTS.csv.gz").symlink_to(folder / chart)
    records = Mimic3(folder=tmp_path).load(events=True)
    assert records.ventilation is not None
    frame = records.ventilation()
    found = told(frame)
    assert found == episodes_3(read_rows(folder / chart), read_rows(folder / "PROCEDUREEVENTS_MV.csv.gz"))
    assert (len(found), frame["stay_id"].n_unique(), frame["hadm_id"].null_count()) == (count, stays, 0)


def hospital(folder: Path, layout: Any) -> pl.DataFrame:
    """A made-up hospital with its chart; returns its true spells."""
    make_hospital(folder, layout=layout, subjects=250, seed=8)
    truth = pl.read_parquet(folder / "made-up" / "ventilation.parquet")
    return truth.rename({"icu_stay_id": "stay_id"}).sort("stay_id", "start")


def test_the_planted_truth_of_mimic3_is_found_to_the_minute(tmp_path: Path) -> None:
    truth = hospital(made(tmp_path / "raw"), "mimic3").filter("invasive")
    records = Mimic3(folder=tmp_path / "raw").load(events=True)
    assert records.ventilation is not None
    frame = records.ventilation()
    assert frame.select("hadm_id", "stay_id", start="starttime", end="endtime").equals(truth.drop("invasive"))
    assert told(frame) == episodes_3(
        table_rows(tmp_path / "raw", "CHARTEVENTS"), table_rows(tmp_path / "raw", "PROCEDUREEVENTS_MV")
    )
    assert frame.height > 40
    assert ICUSTAYS_3.name in records.tallies


def test_the_planted_truth_of_mimic4_is_found(tmp_path: Path) -> None:
    """A spell lasts, by the rules, until the next row of another status: here oxygen, charted half an hour later."""
    truth = hospital(made(tmp_path / "raw"), "mimic4")
    chart = table_rows(tmp_path / "raw", "icu/chartevents")
    source = Mimic4(folder=tmp_path / "raw")
    stays, files = source.load().stays, source.files(events=True)
    assert stays is not None
    for join, hours in BOTH:
        frame = mimic4.episodes(files, {"chartevents": Tally()}, stays, counting=hours)[join]
        own, cut = frame.filter(status="on-machine"), frame.filter(status="tracheostomy")["stay_id"].unique().implode()
        assert told(frame.filter(pl.col("status") != "on-machine")) == episodes_4(chart, join, hours)
        assert told(own) == {one for one in episodes_4(chart, join, hours, machine_first=True)
                             if one.status == "on-machine" and one.stay_id in cut.item()}  # fmt: skip
        tubes = frame.filter(~pl.col("stay_id").is_in(cut), status="invasive")
        machines = pl.concat([tubes, own.with_columns(status=pl.lit("invasive")), frame.filter(status="non-invasive")])
        machines = machines.sort("stay_id", "starttime")
        starts = truth.select("hadm_id", "stay_id", starttime="start", invasive=pl.col("invasive"))
        assert starts.equals(machines.select(*starts.columns[:3], invasive=pl.col("status") == "invasive"))
        if join == "fixed":  # otherwise rows of a tube without a mode are lost
            off = machines.select("stay_id", off=pl.col("endtime") - truth["end"])
            through = pl.col("stay_id").is_in(cut)
            assert set(off.filter(~through)["off"]) == {timedelta(), timedelta(minutes=30)}
            # A cannula says nothing where no mode stands beside it: who dies on it may have been read without one.
            early = off.filter(through & ~pl.col("off").is_in([timedelta(), timedelta(minutes=30)]))["off"]
            assert early.is_between(timedelta(hours=-4), timedelta(), closed="none").all()
            assert own.height > 5 > early.len() > 0
    assert truth["invasive"].n_unique() == 2
