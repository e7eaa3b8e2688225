"""Items of the bedside chart that tell of breathing, and the values that decide, as mimic-code uses them.

CareVue's numbers have up to five digits, MetaVision's begin at 220,000; MIMIC-IV has MetaVision's. Values are compared
as they are written, but for blanks at their ends.
"""

from typing import Final

# fmt: off
MODES_3: Final = {720: "Other/Remarks", 223848: "Other"}
"""MIMIC-III: ventilator mode (CareVue) and type → the value that does not mean a machine; any other does."""
DEVICE_3: Final = 467
"""MIMIC-III: CareVue's O2 delivery device."""
ON_MACHINE_3: Final = "Ventilator"
"""MIMIC-III: the value of `DEVICE_3` that means a machine."""
SETTINGS_3: Final = {
    "ventilator mode": (223849,),
    "minute volume": (445, 448, 449, 450, 1340, 1486, 1600, 224687),
    "tidal volume": (639, 654, 681, 682, 683, 684, 224684, 224685, 224686),
    "respiratory pressures": (218, 436, 535, 444, 224695, 224696, 224697, 224746, 224747),
    "inspiratory pressure": (221, 1, 1211, 1655, 2000, 226873, 224738, 224419, 224750, 227187),
    "plateau pressure": (543,),
    "pressures of APRV": (5865, 5866, 224705, 224706, 224707, 224709),
    "PEEP": (60, 437, 505, 506, 686, 220339, 224700),
    "relief pressure": (3459,),
    "pressure control": (501, 502, 503, 224702),
    "time-cycled pressure control": (223, 667, 668, 669, 670, 671, 672),
    "pressure support": (224701,),
}
"""MIMIC-III: items any value of which means a machine. The published query names 459 too, and never selects it."""
OXYGEN_3: Final = {
    226732: frozenset({
        "Nasal cannula", "Face tent", "Aerosol-cool", "Trach mask", "High flow neb", "Non-rebreather", "Venti mask",
        "Medium conc mask", "T-piece", "High flow nasal cannula", "Ultrasonic neb", "Vapomist",
    }),
    DEVICE_3: frozenset({
        "Cannula", "Nasal Cannula", "Face Tent", "Aerosol-Cool", "Trach Mask", "Hi Flow Neb", "Non-Rebreather",
        "Venti Mask", "Medium Conc Mask", "Vapotherm", "T-Piece", "Hood", "Hut", "TranstrachealCat", "Heated Neb",
        "Ultrasonic Neb",
    }),
}
"""MIMIC-III: O2 delivery device → the values that mean oxygen without a machine. `None`, room air, is none of them."""
EXTUBATED_3: Final = {640: frozenset({"Extubated", "Self Extubation"})}
"""MIMIC-III: CareVue's significant events → the values that mean that the tube came out."""
EXTUBATIONS_3: Final = {
    227194: "extubation", 225468: "extubation by the patient", 225477: "unplanned extubation by somebody else",
}
"""MIMIC-III: MetaVision's procedures that take the tube out."""
BY_PATIENT_3: Final = 225468
"""MIMIC-III: of these the one that the patient did."""
CHARTED_3: Final = frozenset({
    *MODES_3, DEVICE_3, *(item for items in SETTINGS_3.values() for item in items), *OXYGEN_3, *EXTUBATED_3,
})
"""MIMIC-III: all items of chart events that decide. The query collects oxygen flows too, which never do."""

DEVICE_4: Final = 226732
"""MIMIC-IV: O2 delivery device(s), up to four at a time."""
MODE_4: Final = 223849
"""MIMIC-IV: ventilator mode."""
HAMILTON_4: Final = 229314
"""MIMIC-IV: ventilator mode of the Hamilton machines."""
FLOWS_4: Final = frozenset({223834, 227582, 227287})
"""MIMIC-IV: oxygen flows, which decide by being there (`chartune.sources.ventilation.OxygenJoin`)."""
CHARTED_4: Final = frozenset({DEVICE_4, MODE_4, HAMILTON_4, *FLOWS_4})
"""MIMIC-IV: all items of chart events that decide. The query collects ventilator settings too, which never do."""
TRACHEOSTOMY_4: Final = frozenset({"Tracheostomy tube", "Trach mask"})
"""MIMIC-IV: devices that need a tracheostomy; a T-piece may do without."""
CANNULA_4: Final = "Tracheostomy tube"
"""MIMIC-IV: of these the one that is charted with a machine and without; under a mask the patient breathes alone."""
TUBE_4: Final = frozenset({"Endotracheal tube"})
"""MIMIC-IV: devices that mean invasive ventilation."""
INVASIVE_MODES_4: Final = frozenset({
    "(S) CMV", "APRV", "APRV/Biphasic+ApnPress", "APRV/Biphasic+ApnVol", "APV (cmv)", "Ambient", "Apnea Ventilation",
    "CMV", "CMV/ASSIST", "CMV/ASSIST/AutoFlow", "CMV/AutoFlow", "CPAP/PPS", "CPAP/PSV", "CPAP/PSV+Apn TCPL",
    "CPAP/PSV+ApnPres", "CPAP/PSV+ApnVol", "MMV", "MMV/AutoFlow", "MMV/PSV", "MMV/PSV/AutoFlow", "P-CMV", "PCV+",
    "PCV+/PSV", "PCV+Assist", "PRES/AC", "PRVC/AC", "PRVC/SIMV", "PSV/SBT", "SIMV", "SIMV/AutoFlow", "SIMV/PRES",
    "SIMV/PSV", "SIMV/PSV/AutoFlow", "SIMV/VOL", "SYNCHRON MASTER", "SYNCHRON SLAVE", "VOL/AC",
})
"""MIMIC-IV: values of `MODE_4` that mean invasive ventilation."""
INVASIVE_HAMILTON_4: Final = frozenset({
    "APRV", "APV (cmv)", "Ambient", "(S) CMV", "P-CMV", "SIMV", "APV (simv)", "P-SIMV", "VS", "ASV",
})
"""MIMIC-IV: values of `HAMILTON_4` that do."""
MASKS_4: Final = frozenset({"Bipap mask", "CPAP mask"})
"""MIMIC-IV: devices that mean non-invasive ventilation."""
NONINVASIVE_HAMILTON_4: Final = frozenset({"DuoPaP", "NIV", "NIV-ST"})
"""MIMIC-IV: values of `HAMILTON_4` that do."""
HIGH_FLOW_4: Final = frozenset({"High flow nasal cannula"})
"""MIMIC-IV: devices that mean high-flow oxygen."""
OXYGEN_4: Final = frozenset({
    "Non-rebreather", "Face tent", "Aerosol-cool", "Venti mask", "Medium conc mask", "Ultrasonic neb", "Vapomist",
    "Oxymizer", "High flow neb", "Nasal cannula",
})
"""MIMIC-IV: devices that mean oxygen without pressure."""
NOTHING_4: Final = frozenset({"None"})
"""MIMIC-IV: the device of who breathes room air. It is a text and no empty cell."""
# fmt: on
