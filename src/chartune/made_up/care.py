"""What a condition means for a stay: how long it keeps the patient, whether they are ventilated, what is done to them.

    length of stay = (BASE + Σ days of the present conditions) · factor of chance · (SHORTENED if they die)

It is read off the conditions alone, which determine the outcome too: nothing here tells a reader of the admission text
more than the conditions that it names. All numbers are invented.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chartune.made_up.conditions import Condition
from chartune.made_up.dice import Dice

BASE: Final = 3.0
"""Days of a stay for nothing that is modelled."""
SHORTENED: Final = 0.7
"""Factor on the stay of those who die."""
SPREAD: Final = (0.4, 1.8)
"""Least and greatest factor of chance, all between equally likely."""
SHORTEST: Final = 14 * 60
"""Minutes."""


@dataclass(frozen=True, slots=True)
class Care:
    """What one condition asks for."""

    days: float
    """What it adds to the expected stay."""
    ventilated: float = 0.0
    """P(mechanically ventilated for it | present)."""
    procedures: tuple[tuple[str, float], ...] = ()
    """(name of a procedure, P(done | present))."""


# fmt: off
CARE: Final = {
    "septic shock": Care(5.0, .50, (("central venous line", .75), ("arterial line", .50))),
    "intracranial hemorrhage": Care(6.0, .55, (("evacuation of subdural hematoma", .30),
                                               ("external ventricular drain", .35), ("arterial line", .30))),
    "cardiac arrest": Care(4.5, .85, (("cardiopulmonary resuscitation", .80), ("cardioversion", .40),
                                      ("central venous line", .40))),
    "respiratory failure": Care(8.0, .95, (("bronchoscopy", .25), ("arterial line", .40), ("tube feeding", .40))),
    "mesenteric ischemia": Care(8.0, .50, (("small bowel resection", .75), ("central venous line", .40))),
    "acute liver failure": Care(5.5, .35, (("central venous line", .40), ("paracentesis", .20))),
    "myocardial infarction": Care(2.5, .04, (("cardiac catheterization", .75),)),
    "gastrointestinal bleed": Care(2.5, .04, (("upper endoscopy", .70), ("transfusion of red cells", .65),
                                              ("colonoscopy", .25))),
    "pneumonia": Care(2.5, .05, (("thoracentesis", .10), ("incision and drainage of lung abscess", .05),
                                 ("bronchoscopy", .08))),
    "urinary tract infection": Care(1.0),
    "seizure": Care(1.5, .08, (("lumbar puncture", .35),)),
    "metastatic cancer": Care(2.0, .00, (("thoracentesis", .12),)),
    "cirrhosis": Care(2.0, .02, (("paracentesis", .45),)),
    "heart failure": Care(2.0, .03),
    "chronic lung disease": Care(1.2, .03),
    "kidney disease": Care(1.2, .00, (("hemodialysis", .80),)),
    "dementia": Care(1.5),
    "diabetes": Care(0.4),
    "immunodeficiency virus": Care(1.0, .00, (("lumbar puncture", .15),)),
    "coma": Care(4.0, .70, (("lumbar puncture", .30), ("tube feeding", .40))),
    "jaundice": Care(1.0),
    "ascites": Care(1.2, .00, (("paracentesis", .60),)),
    "leg edema": Care(0.4),
    "multiple organ failure": Care(8.0, .85, (("hemodialysis", .50), ("central venous line", .70))),
    "pulmonary embolism on the ward": Care(3.5, .15),
}
"""Name of a condition → its care."""
# fmt: on


def minutes_of_stay(dice: Dice, conditions: Sequence[Condition], present: Sequence[bool], died: bool) -> int:
    """How long a stay lasts; one draw."""
    days = BASE + sum(CARE[c.name].days for c, has in zip(conditions, present, strict=True) if has)
    low, high = SPREAD
    factor = (low + (high - low) * dice.roll()) * (SHORTENED if died else 1.0)
    return max(SHORTEST, int(days * factor * 24 * 60))


def p_ventilated(conditions: Sequence[Condition], present: Sequence[bool]) -> float:
    """P(mechanically ventilated during the stay | conditions)."""
    spared = 1.0
    for condition, has in zip(conditions, present, strict=True):
        spared *= 1 - CARE[condition.name].ventilated if has else 1
    return 1 - spared


def describe() -> dict[str, Any]:
    """The law of the length of stay as plain JSON, for the manifest."""
    return {
        "kind": "sum-of-days", "base_days": BASE, "factor": list(SPREAD), "factor_if_died": SHORTENED,
        "shortest_minutes": SHORTEST, "days": {name: care.days for name, care in CARE.items()},
    }  # fmt: skip
