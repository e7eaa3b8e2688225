"""The bedside events of the made-up hospital: the rules of mimic-code find the very spells that were made up.

The rules are restated here in plain Python for the items that the hospital charts (mimic-code, `ventilation_durations`
of MIMIC-III and `ventilation` of MIMIC-IV).
"""

import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from chartune.testing.made_up_tables import hospital_of, rows

three, four = hospital_of("mimic3", 250, seed=5), hospital_of("mimic4", 250, seed=5)
Spell = tuple[datetime, datetime]
MACHINE = {"682", "684", "450", "535", "543", "506", "224685", "224686", "224687", "224695", "224696", "220339"}
"""Settings and pressures: any value means a ventilator."""
OXYGEN = {"Nasal Cannula", "Face Tent", "Aerosol-Cool", "Non-Rebreather"} | {
    "Nasal cannula", "Face tent", "Aerosol-cool", "Non-rebreather", "High flow nasal cannula"
}  # fmt: skip


def _truth(folder: Path) -> dict[int, list[Spell]]:
    """ICU stay → spells with a tube."""
    found: dict[int, list[Spell]] = defaultdict(list)
    known = pl.read_parquet(folder / "made-up" / "ventilation.parquet").filter("invasive")
    for number, start, end in known.select("icu_stay_id", "start", "end").iter_rows():
        found[number].append((start, end))
    return dict(found)


def _flags(row: dict[str, str]) -> tuple[bool, bool, bool]:
    """(on a machine, on oxygen, tube out) of a row of CHARTEVENTS."""
    item, value = row["itemid"], row["value"].strip()
    machine = item in MACHINE or item == "223849" or (item == "720" and value != "Other/Remarks")
    return (
        machine or (item == "467" and value == "Ventilator"),
        item in ("467", "226732") and value in OXYGEN,
        item == "640" and value in ("Extubated", "Self Extubation"),
    )


def _spells(moments: dict[tuple[datetime, bool], list[bool]]) -> list[Spell]:
    """Durations of one ICU stay by the rules of mimic-code; key: (time, is an extubation of its own), value: flags."""
    events: dict[int, list[tuple[datetime, bool]]] = defaultdict(list)
    number, on_machine, after_extubation = 0, None, False
    for (time, _), (machine, oxygen, out) in sorted(moments.items()):
        active = machine or out
        if active and after_extubation:
            new = True
        elif not machine:
            new = oxygen
        else:
            new = on_machine is not None and time > on_machine + timedelta(hours=8)
        number += new
        on_machine = time if machine else on_machine
        if active:
            after_extubation = out
            events[number].append((time, machine))
    found = [(min(t for t, _ in some), max(t for t, _ in some)) for some in events.values() if any(m for _, m in some)]
    return [(start, end) for start, end in found if start != end]


def test_the_rules_for_mimic3_find_the_spells(three: Path) -> None:
    moments: dict[int, dict[tuple[datetime, bool], list[bool]]] = defaultdict(dict)
    for row in rows(three, "CHARTEVENTS"):
        if row["value"] and row["error"] != "1" and row["icustay_id"]:
            flags = _flags(row)
            if any(flags):
                at = (datetime.fromisoformat(row["charttime"]), False)
                before = moments[int(row["icustay_id"])].get(at, [False] * 3)
                moments[int(row["icustay_id"])][at] = [a or b for a, b in zip(before, flags, strict=True)]
    for row in rows(three, "PROCEDUREEVENTS_MV"):
        if row["itemid"] in ("227194", "225468", "225477"):
            at = (datetime.fromisoformat(row["starttime"]), True)
            moments[int(row["icustay_id"])][at] = [False, False, True]
    found = {number: _spells(times) for number, times in moments.items()}
    assert {number: spells for number, spells in found.items() if spells} == _truth(three)


def test_who_forgets_the_mark_of_error_finds_other_spells(three: Path) -> None:
    wrong = [row for row in rows(three, "CHARTEVENTS") if row["error"] == "1"]
    assert wrong
    assert all(any(_flags(row)) for row in wrong)


def test_tubes_of_mimic4_begin_and_end_with_their_spells(four: Path) -> None:
    truth = _truth(four)
    tubes: dict[int, list[datetime]] = defaultdict(list)
    modes = Counter[str]()
    for row in rows(four, "icu/chartevents"):
        if row["value"] in ("Endotracheal tube", "Tracheostomy tube"):
            tubes[int(row["stay_id"])].append(datetime.fromisoformat(row["charttime"]))
        if row["itemid"] in ("223849", "229314"):
            modes[row["itemid"]] += 1
    assert set(tubes) == set(truth)
    for number, spells in truth.items():
        assert min(tubes[number]) == spells[0][0]
        assert timedelta() <= spells[-1][1] - max(tubes[number]) <= timedelta(hours=4)
        assert all(any(start <= time <= end for start, end in spells) for time in tubes[number])
    assert min(modes.values()) > 10
    assert set(modes) == {"223849", "229314"}


def test_procedure_events_of_mimic4_record_every_spell(four: Path) -> None:
    recorded: dict[int, list[Spell]] = defaultdict(list)
    for row in rows(four, "icu/procedureevents"):
        if row["itemid"] == "225792":
            start, end = (datetime.fromisoformat(row[name]) for name in ("starttime", "endtime"))
            recorded[int(row["stay_id"])].append((start, end))
            assert int(row["value"]) == (end - start) // timedelta(minutes=1)
    assert recorded == _truth(four)


def test_prolonged_ventilation_occurs_and_is_counted(three: Path, four: Path) -> None:
    long = timedelta(days=6.75)
    for folder in (three, four):
        truth = _truth(folder)
        counts = json.loads((folder / "made-up" / "manifest.json").read_text())["counts"]
        assert counts["icu_stays_with_invasive_ventilation"] == len(truth)
        prolonged = sum(spells[-1][1] - spells[0][0] >= long for spells in truth.values())
        assert counts["icu_stays_with_prolonged_ventilation"] == prolonged > 0
        assert prolonged < len(truth)
        assert any(len(spells) > 1 for spells in truth.values())


def test_icu_stays_have_some_dozen_rows_within_their_times(three: Path) -> None:
    charted = Counter(row["icustay_id"] for row in rows(three, "CHARTEVENTS"))
    stays = rows(three, "ICUSTAYS")
    assert 30 < sum(charted.values()) / len(stays) < 300
    assert max(charted.values()) < 1500
    inside = {row["icustay_id"]: row for row in stays if row["outtime"]}
    for row in rows(three, "CHARTEVENTS"):
        if row["icustay_id"] in inside:
            stay = inside[row["icustay_id"]]
            assert stay["intime"][:16] <= row["charttime"][:16] <= stay["outtime"][:16]
            assert row["charttime"] <= row["storetime"]


def test_ventilated_patients_are_billed_for_it_by_how_long(three: Path, four: Path) -> None:
    hours: dict[str, float] = defaultdict(float)
    known = pl.read_parquet(three / "made-up" / "ventilation.parquet").filter("invasive")
    for hadm_id, start, end in known.select("hadm_id", "start", "end").iter_rows():
        hours[str(hadm_id)] += (end - start).total_seconds() / 3600
    billed = {r["hadm_id"]: r["icd9_code"] for r in rows(three, "PROCEDURES_ICD") if r["icd9_code"] in ("9671", "9672")}
    assert billed == {number: "9672" if spent >= 96 else "9671" for number, spent in hours.items()}
    ten = {"5A1935Z": (0, 24), "5A1945Z": (24, 96), "5A1955Z": (96, 10_000)}
    seen = [(r["icd_code"], hours[r["hadm_id"][2:]]) for r in rows(four, "hosp/procedures_icd") if r["icd_code"] in ten]
    assert seen
    assert all(ten[code][0] <= spent < ten[code][1] for code, spent in seen)
