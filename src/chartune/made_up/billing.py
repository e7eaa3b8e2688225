"""What is billed for a stay after the discharge: diagnoses and procedures, with the oddities of real bills.

Everything that the patient had is billed, written about or not. A bill is kept by ICD-9-CM codes and names of
procedures; each layout writes it in its own version.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from chartune.made_up import background
from chartune.made_up.care import CARE
from chartune.made_up.diagnosis_codes import NEWBORN
from chartune.made_up.dice import Dice
from chartune.made_up.icu_stays import IcuStay
from chartune.made_up.outcome import OutcomeModel
from chartune.made_up.patients import ORDINARY, Admission, Patient

NO_DIAGNOSES: Final = 0.006
"""Share of stays that were never billed."""
EMPTY_CODE: Final = 0.004
UNLISTED_CODE: Final = 0.010
REPEATED_CODE: Final = 0.020
PADDED_CODE: Final = 0.006
UNLISTED_PROCEDURE: Final = 0.006
BY_CHANCE: Final = (("central venous line", 0.06), ("transfusion of red cells", 0.05), ("colonoscopy", 0.02))
"""Procedures for nothing that is modelled, with their shares."""
TRACHEOSTOMY: Final = 0.5
"""Share of the long ventilated who get one."""
LONG: Final = timedelta(hours=96)
"""ICD bills mechanical ventilation by whether it lasted so long."""


@dataclass(slots=True)
class Bill:
    """What is billed for one stay."""

    diagnoses: list[str] = field(default_factory=list)
    """ICD-9-CM codes, the one that counts most first; empty: never billed."""
    repeated: bool = False
    """The first diagnosis stands there again."""
    unlisted: bool = False
    """One more code that the dictionary lacks."""
    empty: bool = False
    """One more row without a code (MIMIC-III)."""
    padded: bool = False
    """Codes are filled up with blanks to the width of their column (MIMIC-IV)."""
    procedures: list[str] = field(default_factory=list)
    """Names in `procedure_codes`, in the order in which they were done."""
    unlisted_procedure: bool = False
    hours_ventilated: float = 0.0


def draw_bill(dice: Dice, model: OutcomeModel, patient: Patient, stay: Admission, procedures: list[str],
              icu: Sequence[IcuStay]) -> Bill:  # fmt: skip
    """The bill of a stay."""
    hours = sum((tube.end - tube.start).total_seconds() / 3600 for icu_stay in icu for tube in icu_stay.invasive)
    bill = Bill(procedures=procedures, hours_ventilated=hours)
    plain = patient.index < ORDINARY
    if dice.chance(NO_DIAGNOSES) and not plain:
        return bill
    if patient.newborn:
        bill.diagnoses = [dice.pick(NEWBORN[:2]), *dice.some(NEWBORN[2:], dice.between(1, 3))]
    else:
        had = [code for c, has in zip(model.conditions, stay.present, strict=True) if has for code in c.codes]
        # A stay for nothing that is modelled was for a pain in the back.
        bill.diagnoses = list(dict.fromkeys(had + dice.shuffled(background.codes(stay.background)))) or ["7242"]
    flags = [dice.chance(share) for share in (REPEATED_CODE, UNLISTED_CODE, EMPTY_CODE, PADDED_CODE)]
    if not plain:
        bill.repeated, bill.unlisted, bill.empty, bill.padded = flags
        bill.unlisted_procedure = bool(procedures) and dice.chance(UNLISTED_PROCEDURE)
    return bill


def draw_procedures(dice: Dice, model: OutcomeModel, stay: Admission, icu: Sequence[IcuStay]) -> list[str]:
    """Names of what was done for the conditions, by chance, and for the lungs; nothing for a newborn."""
    if not stay.present:
        return []
    done = [
        name
        for condition, has in zip(model.conditions, stay.present, strict=True)
        if has
        for name, share in CARE[condition.name].procedures
        if dice.chance(share)
    ]
    done += [name for name, share in BY_CHANCE if dice.chance(share)]
    tubes = [tube for icu_stay in icu for tube in icu_stay.invasive]
    if tubes:
        long = sum((t.end - t.start for t in tubes), timedelta()) >= LONG
        done += ["intubation", "prolonged mechanical ventilation" if long else "mechanical ventilation"]
        done += ["tracheostomy"] if any(icu_stay.prolonged for icu_stay in icu) and dice.chance(TRACHEOSTOMY) else []
    return list(dict.fromkeys(done))
