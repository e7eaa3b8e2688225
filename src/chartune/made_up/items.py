"""Items of the bedside chart: what a row of chart events or procedure events is about.

CareVue and MetaVision, the two bedside systems of MIMIC-III, number and label the same thing differently; MIMIC-IV has
MetaVision's numbers. Ids and labels are those of the public item dictionaries.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a dictionary of items."""

    itemid: int
    label: str
    unit: str | None = None
    abbreviation: str | None = None
    category: str | None = None
    param_type: str | None = None
    procedure: bool = False
    """Whether it stands in procedure events."""
    since: int = 3
    """4: in MIMIC-IV only."""

    @property
    def metavision(self) -> bool:
        """MetaVision's numbers begin here."""
        return self.itemid >= 220_000


def _of(itemid: int, label: str, unit: str | None = None, short: str | None = None, since: int = 3) -> Item:
    kind = "Text" if unit is None else "Numeric"
    category = "Routine Vital Signs" if itemid == 220045 else "Respiratory"
    return Item(itemid, label, unit, short or label, category, kind, since=since)


def _process(itemid: int, label: str, category: str) -> Item:
    return Item(itemid, label, "None", label, category, "Process", True)


# fmt: off
HEART_RATE: Final = (Item(211, "Heart Rate", "BPM"), _of(220045, "Heart Rate", "bpm", "HR"))
SATURATION: Final = (Item(646, "SpO2", "%"), _of(220277, "O2 saturation pulseoxymetry", "%", "SpO2"))
MODE: Final = (Item(720, "Ventilator Mode"), _of(223849, "Ventilator Mode"))
PEEP: Final = (Item(506, "PEEP Set", "cmH2O"), _of(220339, "PEEP set", "cmH2O"))
TIDAL: Final = (Item(682, "Tidal Volume (Obser)", "ml/B"), _of(224685, "Tidal Volume (observed)", "mL"))
TIDAL_OWN: Final = (Item(684, "Tidal Volume (Spont)", "ml/B"), _of(224686, "Tidal Volume (spontaneous)", "mL"))
MINUTE: Final = (Item(450, "Minute Volume(Obser)", "L/min"), _of(224687, "Minute Volume", "L/min"))
PEAK: Final = (Item(535, "Peak Insp. Pressure", "cmH2O"), _of(224695, "Peak Insp. Pressure", "cmH2O"))
PLATEAU: Final = (Item(543, "Plateau Pressure", "cmH2O"), _of(224696, "Plateau Pressure", "cmH2O"))
DEVICE: Final = (Item(467, "O2 Delivery Device"), _of(226732, "O2 Delivery Device(s)"))
FLOW: Final = (Item(470, "O2 Flow (lpm)", "L/min"), _of(223834, "O2 Flow", "L/min"))
EVENT: Final = Item(640, "Significant Events")
HAMILTON: Final = _of(229314, "Ventilator Mode (Hamilton)", since=4)
MASK_FLOW: Final = _of(227582, "BiPap O2 Flow", "L/min")
INTUBATION: Final = _process(224385, "Intubation", "1-Intubation/Extubation")
EXTUBATION: Final = _process(227194, "Extubation", "1-Intubation/Extubation")
EXTUBATION_BY_PATIENT: Final = _process(225468, "Unplanned Extubation (patient-initiated)", "1-Intubation/Extubation")
INVASIVE: Final = _process(225792, "Invasive Ventilation", "2-Ventilation")
NONINVASIVE: Final = _process(225794, "Non-invasive Ventilation", "2-Ventilation")
ARTERIAL_LINE: Final = _process(225752, "Arterial Line", "Access Lines - Invasive")

ITEMS: Final = tuple(sorted(
    (*HEART_RATE, *SATURATION, *MODE, *PEEP, *TIDAL, *TIDAL_OWN, *MINUTE, *PEAK, *PLATEAU, *DEVICE, *FLOW, EVENT,
     HAMILTON, MASK_FLOW, INTUBATION, EXTUBATION, EXTUBATION_BY_PATIENT, INVASIVE, NONINVASIVE, ARTERIAL_LINE),
    key=lambda item: item.itemid,
))
"""All of them by number."""
MODES: Final = (
    ("Assist Control", "Assist Control", "SIMV+PS", "CPAP+PS", "Pressure Control"),
    ("CMV/ASSIST", "CMV/ASSIST/AutoFlow", "CMV/ASSIST/AutoFlow", "CPAP/PSV", "PSV/SBT"),
)
"""Ventilator modes of CareVue and MetaVision."""
OXYGEN: Final = (
    ("Nasal Cannula", "Nasal Cannula", "Face Tent", "Aerosol-Cool", "Non-Rebreather"),
    ("Nasal cannula", "Nasal cannula", "Face tent", "Aerosol-cool", "Non-rebreather", "High flow nasal cannula"),
)
"""Oxygen devices of CareVue and MetaVision."""
TUBE: Final = ("Ventilator", "Endotracheal tube")
CANNULA: Final = "Tracheostomy tube"
"""Of MetaVision; CareVue says `Ventilator` of any machine."""
TRACH_MASK: Final = ("Trach Mask", "Trach mask")
MASK: Final = ("Bipap Mask", "Bipap mask")
# fmt: on
