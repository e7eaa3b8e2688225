"""An oracle for ventilation: both published rule sets as loops over rows, written from their description alone.

Slow and plain. It shares no code and no list of items with `chartune.sources.ventilation`, which tests hold against it.
Rows are what Python's csv module reads, names of columns in lower case: an empty text is a null.

Sources: mimic-code, `ventilation_classification` and `ventilation_durations` of MIMIC-III, `ventilator_setting`,
`oxygen_delivery` and `ventilation` of MIMIC-IV.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

Row = dict[str, str]
Join = Literal["mimic-code", "fixed"]
Hours = Literal["boundaries", "elapsed"]


class Episode(NamedTuple):
    """One episode of one ICU stay."""

    stay_id: int
    status: str
    start: datetime
    end: datetime


# fmt: off
ANY_VALUE: Final = [
    223849,
    445, 448, 449, 450, 1340, 1486, 1600, 224687,
    639, 654, 681, 682, 683, 684, 224684, 224685, 224686,
    218, 436, 535, 444, 224695, 224696, 224697, 224746, 224747,
    221, 1, 1211, 1655, 2000, 226873, 224738, 224419, 224750, 227187,
    543, 5865, 5866, 224705, 224706, 224707, 224709,
    60, 437, 505, 506, 686, 220339, 224700,
    3459, 501, 502, 503, 224702, 223, 667, 668, 669, 670, 671, 672, 224701,
]
"""Items of MIMIC-III any value of which means a machine."""
NEVER: Final = [459, 468, 469, 470, 471, 227287, 223834, 211, 220045, 646]
"""Items that stand in charts, some even in the query, and never decide."""
METAVISION_OXYGEN: Final = [
    "Nasal cannula", "Face tent", "Aerosol-cool", "Trach mask", "High flow neb", "Non-rebreather", "Venti mask",
    "Medium conc mask", "T-piece", "High flow nasal cannula", "Ultrasonic neb", "Vapomist",
]
CAREVUE_OXYGEN: Final = [
    "Cannula", "Nasal Cannula", "Face Tent", "Aerosol-Cool", "Trach Mask", "Hi Flow Neb", "Non-Rebreather",
    "Venti Mask", "Medium Conc Mask", "Vapotherm", "T-Piece", "Hood", "Hut", "TranstrachealCat", "Heated Neb",
    "Ultrasonic Neb",
]
# fmt: on


def episodes_3(chart: Iterable[Row], procedures: Iterable[Row]) -> set[Episode]:
    """Episodes of MIMIC-III. `chart`: itemid, icustay_id, charttime, value, error; `procedures`: starttime instead."""
    moments: dict[int, dict[datetime, list[bool]]] = defaultdict(dict)
    for row in chart:
        value = row["value"].strip()
        if value == "" or row.get("error", "").strip() == "1" or row["icustay_id"] == "":
            continue
        flags = _flags_3(int(row["itemid"]), value)
        seen = moments[int(row["icustay_id"])].setdefault(datetime.fromisoformat(row["charttime"]), [False] * 3)
        for place, flag in enumerate(flags):
            seen[place] = seen[place] or flag
    tubes_out: dict[int, set[tuple[datetime, bool]]] = defaultdict(set)
    for row in procedures:
        if row["itemid"] in ("227194", "225468", "225477") and row["icustay_id"] != "":
            by_patient = row["itemid"] == "225468"
            tubes_out[int(row["icustay_id"])].add((datetime.fromisoformat(row["starttime"]), by_patient))
    episodes = set()
    for stay in set(moments) | set(tubes_out):
        rows = [(time, on, oxygen, out) for time, (on, oxygen, out) in moments[stay].items()]
        rows += [(time, False, False, True) for time, _ in tubes_out[stay]]
        episodes |= {Episode(stay, "ventilated", start, end) for start, end in _durations_3(rows)}
    return episodes


def _flags_3(item: int, value: str) -> tuple[bool, bool, bool]:
    """(on a machine, on oxygen, tube out)."""
    machine = (
        item in ANY_VALUE
        or (item == 720 and value != "Other/Remarks")
        or (item == 223848 and value != "Other")
        or (item == 467 and value == "Ventilator")
    )
    oxygen = (item == 226732 and value in METAVISION_OXYGEN) or (item == 467 and value in CAREVUE_OXYGEN)
    return machine, oxygen, item == 640 and value in ("Extubated", "Self Extubation")


def _durations_3(rows: list[tuple[datetime, bool, bool, bool]]) -> list[tuple[datetime, datetime]]:
    rows = sorted(rows, key=lambda row: (row[0], row[3]))
    total, last_on_machine, last_active_was_out = 0, None, False
    running = []
    for time, machine, oxygen, out in rows:
        active = machine or out
        long_pause = last_on_machine is not None and time > last_on_machine + timedelta(hours=8)
        if (active and last_active_was_out) or (not machine and oxygen) or (machine and long_pause):
            total += 1
        running.append(total)
        if machine:
            last_on_machine = time
        if active:
            last_active_was_out = out
    latest = {}
    for (time, *_), number in zip(rows, running, strict=True):
        latest[time] = number
    events = defaultdict(list)
    for time, machine, _, out in rows:
        if machine or out:
            events[latest[time]].append((time, machine))
    spans = []
    for some in events.values():
        times = [time for time, _ in some]
        if min(times) != max(times) and any(machine for _, machine in some):
            spans.append((min(times), max(times)))
    return spans


# fmt: off
SETTINGS_4: Final = [
    224684, 224685, 224686, 224687, 224688, 224689, 224690, 224691, 224696, 220339, 224700, 223835, 223848,
]
"""Settings that are collected in MIMIC-IV, and of which none decides."""
TRACHEOSTOMY: Final = ("Tracheostomy tube", "Trach mask")
MODES: Final = [
    "(S) CMV", "APRV", "APRV/Biphasic+ApnPress", "APRV/Biphasic+ApnVol", "APV (cmv)", "Ambient", "Apnea Ventilation",
    "CMV", "CMV/ASSIST", "CMV/ASSIST/AutoFlow", "CMV/AutoFlow", "CPAP/PPS", "CPAP/PSV", "CPAP/PSV+Apn TCPL",
    "CPAP/PSV+ApnPres", "CPAP/PSV+ApnVol", "MMV", "MMV/AutoFlow", "MMV/PSV", "MMV/PSV/AutoFlow", "P-CMV", "PCV+",
    "PCV+/PSV", "PCV+Assist", "PRES/AC", "PRVC/AC", "PRVC/SIMV", "PSV/SBT", "SIMV", "SIMV/AutoFlow", "SIMV/PRES",
    "SIMV/PSV", "SIMV/PSV/AutoFlow", "SIMV/VOL", "SYNCHRON MASTER", "SYNCHRON SLAVE", "VOL/AC",
]
HAMILTON: Final = [
    "APRV", "APV (cmv)", "Ambient", "(S) CMV", "P-CMV", "SIMV", "APV (simv)", "P-SIMV", "VS", "ASV",
]
HAMILTON_MASK: Final = ("DuoPaP", "NIV", "NIV-ST")
OXYGEN_4: Final = [
    "Non-rebreather", "Face tent", "Aerosol-cool", "Venti mask", "Medium conc mask", "Ultrasonic neb", "Vapomist",
    "Oxymizer", "High flow neb", "Nasal cannula",
]
# fmt: on


def episodes_4(chart: Iterable[Row], join: Join, hours: Hours, *, machine_first: bool = False) -> set[Episode]:
    """Episodes of MIMIC-IV. `chart`: subject_id, stay_id, charttime, storetime, itemid, value.

    machine_first: not the published rules, but chartune's: a machine is `on-machine` through whatever airway, and a
    tracheostomy tube alone says nothing.
    """
    rows = [{**row, "value": row["value"].strip()} for row in chart]
    charted = defaultdict(list)
    for row in rows:
        if row["value"] != "" and row["stay_id"] != "":
            charted[int(row["subject_id"]), datetime.fromisoformat(row["charttime"])].append(row)
    moments: dict[int, dict[datetime, str]] = defaultdict(dict)
    for (_, time), some in charted.items():
        status = _status_4(some, join, machine_first)
        if status is not None:
            (stay,) = {int(row["stay_id"]) for row in some}
            moments[stay][time] = status
    return {Episode(stay, *event) for stay, statuses in moments.items() for event in _durations_4(statuses, hours)}


def _status_4(rows: list[Row], join: Join, machine_first: bool) -> str | None:
    """How a patient breathed at one moment."""
    mode = max((row["value"] for row in rows if row["itemid"] == "223849"), default=None)
    hamilton = max((row["value"] for row in rows if row["itemid"] == "229314"), default=None)
    entered = sorted(((row["storetime"], row["value"]) for row in rows if row["itemid"] == "226732"), reverse=True)
    devices = [value for _, value in entered][:4]
    if join == "mimic-code" and not any(row["itemid"] in ("223834", "227582", "227287") for row in rows):
        devices = []
    first = devices[0] if devices else None
    machine = first == "Endotracheal tube" or mode in MODES or hamilton in HAMILTON
    if machine_first and (machine or first == "Tracheostomy tube"):
        return "on-machine" if machine else None
    if first in TRACHEOSTOMY:
        return "tracheostomy"
    if machine:
        return "invasive"
    if any(device in ("Bipap mask", "CPAP mask") for device in devices) or hamilton in HAMILTON_MASK:
        return "non-invasive"
    if first == "High flow nasal cannula":
        return "high-flow"
    if first in OXYGEN_4:
        return "oxygen"
    return "none" if first == "None" else None


def _durations_4(statuses: dict[datetime, str], hours: Hours) -> list[tuple[str, datetime, datetime]]:
    rows = sorted(statuses.items())
    events: list[tuple[str, list[datetime], list[datetime]]] = []
    last_of: dict[str, datetime] = {}
    for place, (time, status) in enumerate(rows):
        before = rows[place - 1][1] if place else None
        if before != status or _hours(last_of[status], time, hours) >= 14:
            events.append((status, [], []))
        last_of[status] = time
        following = rows[place + 1][0] if place + 1 < len(rows) else None
        ends = time if following is None or _hours(time, following, hours) >= 14 else following
        events[-1][1].append(time)
        events[-1][2].append(ends)
    return [(status, min(times), max(ends)) for status, times, ends in events if min(times) != max(times)]


def _hours(start: datetime, end: datetime, hours: Hours) -> float:
    if hours == "elapsed":
        return (end - start) / timedelta(hours=1)
    started, ended = (time.replace(minute=0, second=0, microsecond=0) for time in (start, end))
    return (ended - started) / timedelta(hours=1)
