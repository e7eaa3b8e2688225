"""The discharge summary as it lies in the chart: admission sections in the author's order, then what became of it.

Written at discharge, so what follows the physical exam tells the truth about every condition, about what was done and
about the outcome. Lines are wrapped as by the dictation system; a section ends at a blank line before the next heading.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from chartune.made_up.admission_text import CANARY, Sections
from chartune.made_up.background import BACKGROUNDS
from chartune.made_up.conditions import Condition
from chartune.made_up.dice import Dice
from chartune.made_up.patients import OLDEST, Admission, Patient

WIDTH: Final = 76
"""Characters of a line."""

# fmt: off
SERVICES: Final = ("MEDICINE", "SURGERY", "NEUROLOGY", "CARDIOTHORACIC", "TRAUMA", "OMED")
_COURSES = (
    "The hospital course by problem was as follows.", "Please see the admission note for details of the presentation.",
    "The patient was admitted to the [**Hospital Unit Name {n}**] and followed closely.",
    "Outpatient records from [**Hospital {n}**] were reviewed.",
)
_SUPPORT = (
    "FEN: regular diet, electrolytes repleted.", "PPX: heparin SC and a PPI.", "Access: peripheral IV.",
    "Communication: daughter [**Name (NI) {n}**].", "Code status was discussed on admission.", "PT was consulted.",
    "Nutrition was consulted.", "Home medications were continued where possible.",
    "Diet: cardiac\\diabetic, advanced as tolerated.",
)
_DEATHS = (
    "Given the poor prognosis the family elected comfort measures only, and the patient expired on [**{day}**].",
    "Despite maximal support the patient expired on [**{day}**] with family at the bedside.",
    "The patient was made CMO and passed away peacefully on [**{day}**].",
    "The patient was pronounced dead on [**{day}**]; the medical examiner declined the case.",
)
_RECOVERIES = (
    "The patient improved steadily and was discharged in stable condition.",
    "Symptoms resolved and the patient was tolerating a regular diet on discharge.",
    "By [**{day}**] the patient was at baseline and ready to leave.",
)
_TABLETS = ("Aspirin 81 mg Tablet Sig: One (1) Tablet PO DAILY.",
            "Omeprazole 20 mg Capsule Sig: One (1) Capsule PO DAILY.",
            "Acetaminophen 325 mg Tablet Sig: Two (2) Tablet PO Q6H as needed for pain.",
            "Docusate Sodium 100 mg Capsule Sig: One (1) Capsule PO BID.",
            "Metoprolol Tartrate 25 mg Tablet Sig: One (1) Tablet PO BID.")
_DISPOSITIONS = ("Home", "Home With Service", "Extended Care")
_ADVICE = (
    "You were admitted to the hospital and treated. Please take all medications as directed and call your doctor "
    "with any new symptoms.",
    "It was a pleasure caring for you. Please return to the emergency room if you feel worse.",
    "Please keep your follow-up appointment with Dr. [**Last Name (STitle) {n}**].",
)
# fmt: on


def summary(
    dice: Dice,
    conditions: Sequence[Condition],
    patient: Patient,
    stay: Admission,
    sections: Sections,
    procedures: Sequence[str] = (),
    *,
    canary: bool,
) -> list[str]:
    """The parts of one discharge summary, to be parted by blank lines.

    Args:
        dice: the patient's stream.
        conditions: of the outcome model.
        patient: whose chart it is.
        stay: the admission.
        sections: what it tells of the arrival.
        procedures: names of what was done.
        canary: whether the canary stands in its hospital course.
    """
    present = [c for c, has in zip(conditions, stay.present, strict=True) if has]
    texts = {key: wrapped(body.text) for key, body in sections.items()}
    parts = [
        *_header(patient, stay),
        f"Service: {dice.pick(SERVICES)}",
        f"Allergies:\n{texts['allergies']}",
        f"Attending:[**First Name3 (LF) {dice.below(2000)}**]",
        f"Chief Complaint:\n{texts['complaint']}",
        f"Major Surgical or Invasive Procedure:\n{wrapped(_enumerated(procedures))}",
        f"History of Present Illness:\n{texts['illness']}",
        f"Past Medical History:\n{texts['history']}",
    ]
    parts += [f"Social History:\n{texts['social']}"] if "social" in texts else []
    parts += [f"Family History:\n{texts['family']}"] if "family" in texts else []
    parts += [
        f"Physical Exam:\n{texts['exam']}",
        f"Pertinent Results:\n{_results(dice, stay)}",
        f"Brief Hospital Course:\n{_course(dice, present, stay, canary)}",
        f"Medications on Admission:\n{texts['medication']}",
        *_ending(dice, present, stay),
    ]
    return parts


def wrapped(text: str) -> str:
    """Break lines at blanks so that none is longer than WIDTH; breaks that are there stay."""
    lines = []
    for line in text.split("\n"):
        while len(line) > WIDTH:
            cut = line.rfind(" ", 0, WIDTH + 1)
            if cut <= 0:
                break
            lines.append(line[:cut])
            line = line[cut + 1 :]
        lines.append(line)
    return "\n".join(lines)


def hidden(moment: datetime) -> str:
    """A date inside its de-identification span: 2151-7-16."""
    return f"{moment.year}-{moment.month}-{moment.day}"


def _header(patient: Patient, stay: Admission) -> list[str]:
    born = "" if patient.age > OLDEST else f"[**{hidden(patient.dob)}**]"
    return [
        f"Admission Date:  [**{hidden(stay.admittime)}**]              "
        f"Discharge Date:   [**{hidden(stay.dischtime)}**]",
        f"Date of Birth:  {born or '[**Age over 90**]'}             Sex:   {patient.gender}",
    ]


def _enumerated(procedures: Sequence[str]) -> str:
    named = ", ".join(procedures) or "None"
    return named[0].upper() + named[1:]


def _results(dice: Dice, stay: Admission) -> str:
    """Laboratory values by chance."""
    line = (
        f"[**{hidden(stay.admittime)}**] 0{dice.between(1, 9)}:{dice.between(10, 59)}AM BLOOD "
        f"WBC-{dice.between(40, 160) / 10:.1f} Hgb-{dice.between(80, 150) / 10:.1f} Plt Ct-{dice.between(90, 420)}\n"
        f"Glucose-{dice.between(80, 190)} UreaN-{dice.between(8, 40)} Creat-{dice.between(5, 22) / 10:.1f} "
        f"Na-{dice.between(130, 146)} K-{dice.between(33, 52) / 10:.1f}"
    )
    return line + ("\nCXR: No acute process." if dice.chance(0.4) else "")


def _course(dice: Dice, present: Sequence[Condition], stay: Admission, canary: bool) -> str:
    """The truth about everything, written when it was over."""
    lines = [dice.pick(_COURSES).format(n=dice.below(1000))]
    for condition in dice.shuffled(present):
        form = dice.pick(condition.forms)
        lines.append(f"# {form[0].upper()}{form[1:]}: {condition.course}.")
    besides = [dice.pick(b.forms) for b, has in zip(BACKGROUNDS, stay.background, strict=True) if has]
    lines += [f"# Other issues: {', '.join(besides)}: followed."] if besides else []
    lines += [line.format(n=dice.below(1000)) for line in dice.some(_SUPPORT, dice.between(2, 4))]
    if canary:
        lines.append(CANARY)
    lines.append(dice.pick(_DEATHS if stay.died else _RECOVERIES).format(day=hidden(stay.dischtime)))
    return "\n".join(wrapped(line) for line in lines)


def _ending(dice: Dice, present: Sequence[Condition], stay: Admission) -> list[str]:
    names = "\n".join(dice.pick(c.forms) for c in present) or "Observation"
    if stay.died:
        return [
            "Discharge Medications:\nN/A",
            "Discharge Disposition:\nExpired",
            f"Discharge Diagnosis:\n{names}",
            "Discharge Condition:\nExpired",
            "Discharge Instructions:\nN/A",
        ]
    tablets = dice.some(_TABLETS, dice.between(1, 4))
    return [
        "Discharge Medications:\n" + "\n".join(wrapped(f"{i}. {t}") for i, t in enumerate(tablets, 1)),
        f"Discharge Disposition:\n{dice.pick(_DISPOSITIONS)}",
        f"Discharge Diagnosis:\n{names}",
        f"Discharge Condition:\n{dice.pick(('Stable', 'Good', 'Ambulating with assistance'))}",
        f"Discharge Instructions:\n{wrapped(' '.join(dice.some(_ADVICE, 2)).format(n=dice.below(1000)))}",
    ]
