"""What a discharge summary tells of the patient's arrival: eight sections, and what an ideal reader learns from them.

    CHIEF COMPLAINT      chance
    PRESENT ILLNESS      age, sex, earlier stays; then acute conditions, affirmed or denied
    MEDICAL HISTORY      chronic conditions, affirmed or denied; chronic background
    MEDICATION ON …      chance, and drugs for what the history affirms
    ALLERGIES            chance
    PHYSICAL EXAM        vital signs by chance; acute background; signs, affirmed or denied
    FAMILY HISTORY       conditions of relatives, whatever the patient has
    SOCIAL HISTORY       chance

Chance here never looks at the conditions or the outcome: what a section repeats was written before it. The background
(`background`) has no bearing on either.
"""

from collections.abc import Sequence
from typing import Final

from chartune.made_up.background import Background, mentioned
from chartune.made_up.dice import Dice
from chartune.made_up.outcome import OutcomeModel, Reader, p_death_unread, unstated
from chartune.made_up.patients import OLDEST, Admission, Patient
from chartune.made_up.sentences import GRAMMARS, Body, draw_facts, enumerated, write_facts

CANARY: Final = "A tame heron called zebrafinch-7719-canary sleeps in the bathtub."
"""Made up and found nowhere else: where it turns up outside the restricted store, text has leaked."""

ORDER: Final = (
    ("CHIEF COMPLAINT", "complaint"), ("PRESENT ILLNESS", "illness"), ("MEDICAL HISTORY", "history"),
    ("MEDICATION ON ADMISSION", "medication"), ("ALLERGIES", "allergies"), ("PHYSICAL EXAM", "exam"),
    ("FAMILY HISTORY", "family"), ("SOCIAL HISTORY", "social"),
)  # fmt: skip
"""Sections of the assembled admission text in order: (heading, key)."""

Sections = dict[str, Body]
"""The bodies by key; a section that the author left out is missing."""

GRAVE: Final = 0.3
"""Lethality from which a condition worries the author."""

# fmt: off
COMPLAINTS: Final = (
    ("Shortness of breath", "shortness of breath"), ("Weakness", "weakness"), ("Abdominal pain", "abdominal pain"),
    ("Fever", "fever"), ("s/p fall", "a fall"), ("Altered mental status", "altered mental status"),
    ("Lethargy", "lethargy"), ("Chest discomfort", "chest discomfort"), ("Nausea and vomiting", "nausea and vomiting"),
    ("Transfer from outside hospital", "decline at an outside hospital"), ("Dizziness", "dizziness"),
    ('"I feel awful"', "malaise"), ("Back pain", "back pain"), ("Cough", "cough"),
)
_OPENINGS = (
    "{age} year old {man} {again}presenting with {what} for {time}.",
    "This is a {age} year old {man} {again}who presents with {what} over {time}.",
    "{title} [**Known lastname {n}**] is a {age} y/o {man} {again}with {what} since {time}.",
    "Pt is a {age} yo {man} {again}brought in by {bringer} with {what} x {time}.",
    "The patient is a {age} year old {man} {again}who developed {what} {time} before arrival.",
)
_AGAIN = ("", "last discharged from here in [**{month}-{year}**], ", "with two prior admissions here, ")
_TIMES = ("one day", "two days", "3 days", "four hours", "a week", "several hours", "12 hours", "10 days")
_BRINGERS = ("EMS", "family", "a neighbor", "ambulance")
_MEN = {"M": ("man", "male", "gentleman"), "F": ("woman", "female", "lady")}
_ASIDES = ("VS on arrival T {t} HR {hr} BP {sbp}/{dbp}.", "Seen first at [**Hospital {n}**].",
           "IV access was obtained.", "Symptoms were constant and not relieved by rest.", "PCP is [**Name (NI) {n}**].",
           "Had been in the usual state of health until then.", "Accompanied by {bringer}.",
           "Labs were drawn and fluids were given in the ED.", "Took no new medicines before arrival.")
_GRAVE = ("Intubated and started on pressors.", "Taken to the ICU in critical condition.",
          "Goals of care were discussed with the family.", "Required pressors and mechanical ventilation.",
          "The ICU team was called and the prognosis was felt to be guarded.")
_CALM = ("Admitted to the floor in stable condition.", "Felt better after fluids.", "Transferred to the floor.",
         "The primary team was called.")
_DEATHS = ("The patient expired on hospital day {n}.", "Pt passed away despite full support.",
         "The patient died the next morning.", "Time of death was {n}:15 PM.")
_LABS = ("Labs and exam in the ED showed {}.", "ED: {}.", "Also {}.")
_DRUGS = ("aspirin 81 mg daily", "omeprazole 20 mg daily", "levothyroxine 50 mcg daily", "lisinopril 10 mg daily",
          "atorvastatin 40 mg daily", "metoprolol 25 mg BID", "multivitamin", "docusate PRN", "sertraline 50 mg daily",
          "furosemide", "metformin", "albuterol", "spironolactone", "insulin glargine", "calcitriol", "donepezil",
          "fluconazole", "ondansetron")
_ALLERGIES = ("No Known Allergies / Adverse Drug Reactions", "Penicillins", "Sulfa (Sulfonamide Antibiotics)",
              "Codeine", "Latex", "Patient recorded as having No Known Allergies to Drugs", "Penicillins / Latex",
              "Iodine; Iodine Containing")
_GENERAL = ("Gen: lying in bed.", "HEENT: MMM, NCAT.", "CV: RRR, no murmur.", "Lungs: scattered rales.",
            "Abd: soft, ND.", "Ext: warm, 2+ pulses.", "Neck: supple, no LAD.", "Back: no CVAT.", "Skin: intact.",
            "Lungs: clear bilaterally.")
_RELATIVES = ("Mother with {}.", "Father had {}.", "Brother with {}.", "Sister had {} at age {n}.",
              "Father died of {} at {n}.", "Significant for {} in a grandparent.", "Son has {}.", "Aunt had {}.")
_HOMES = ("Lives alone.", "Lives with spouse.", "Lives in [**Location (un) {n}**].", "Lives with daughter.",
          "Retired teacher.", "Retired carpenter.", "Works as a cook.", "Nursing home resident.")
_HABITS = ("No tobacco.", "Quit smoking {n} years ago.", "Rare EtOH.", "No EtOH or drugs.", "Drinks socially.",
           "Denies IVDU.", "Smokes half a pack daily.")
# fmt: on


def write_sections(
    dice: Dice, model: OutcomeModel, patient: Patient, stay: Admission, tells_death: bool, canary: bool
) -> Sections:
    """The sections of one summary.

    Args:
        dice: the patient's stream.
        model: says what is affirmed and denied.
        patient: whose chart it is.
        stay: the admission.
        tells_death: whether the present illness gives the death away.
        canary: whether the social history holds the canary.
    """
    chief, what = dice.pick(COMPLAINTS)
    sections = {"complaint": Body(chief, len(chief.split()))}
    sections["illness"] = _illness(dice, model, patient, stay, what, tells_death)
    besides = mentioned(dice, stay.background, "history", patient.gender)
    sections["history"] = _history(dice, model, stay, besides)
    sections["medication"] = _medication(dice, model, sections["history"], besides)
    allergy = dice.pick(_ALLERGIES) if dice.chance(0.6) else _ALLERGIES[0]
    sections["allergies"] = Body(allergy, len(allergy.split()))
    sections["exam"] = _exam(dice, model, patient, stay)
    if dice.chance(0.93):
        sections["family"] = _family(dice, model)
    if canary or dice.chance(0.95):
        sections["social"] = _social(dice, canary)
    return sections


def _illness(dice: Dice, model: OutcomeModel, patient: Patient, stay: Admission, what: str, tells_death: bool) -> Body:
    body = Body()
    month = 1 + (stay.admittime.month + 7) % 12
    again = _AGAIN[stay.ordinal].format(month=month, year=stay.admittime.year - (month >= stay.admittime.month))
    body.say(
        dice.pick(_OPENINGS).format(
            age="[**Age over 90**]" if patient.age > OLDEST else patient.age,
            man=dice.pick(_MEN[patient.gender]),
            title="Mr." if patient.gender == "M" else "Ms.",
            again=again,
            what=what,
            time=dice.pick(_TIMES),
            n=dice.below(1000),
            bringer=dice.pick(_BRINGERS),
        )
    )
    body.opening = body.words
    for aside in dice.some(_ASIDES, dice.between(0, 2)):
        body.say(_vitals(dice, aside))
    facts = draw_facts(dice, model.conditions, stay.present, "illness")
    write_facts(dice, body, model.conditions, facts, GRAMMARS["illness"])
    body.say(_what_was_done(dice, model, body))
    if tells_death:
        body.say(dice.pick(_DEATHS).format(n=dice.between(2, 9)))
        body.tells_death = True
    return body


def _what_was_done(dice: Dice, model: OutcomeModel, body: Body) -> str:
    """How worried the author was: depends on what the section affirms, so that it repeats and adds nothing."""
    grave = any(f.affirmed and model.conditions[f.condition].lethality >= GRAVE for f in body.facts)
    return dice.pick(_GRAVE if dice.chance(0.65 if grave else 0.03) else _CALM)


def _history(dice: Dice, model: OutcomeModel, stay: Admission, besides: Sequence[Background]) -> Body:
    body = Body()
    harmless = enumerated([dice.pick(b.forms) for b in besides], "and")[0]
    alone = f"{harmless[0].upper()}{harmless[1:]}." if harmless else "Otherwise none."
    first = dice.chance(0.5) and bool(harmless)
    if first:
        body.say(alone)
    facts = draw_facts(dice, model.conditions, stay.present, "history")
    write_facts(dice, body, model.conditions, facts, GRAMMARS["history"])
    if not first and (harmless or not facts):
        body.say(f"Also {harmless}." if facts else alone)
    return body


def _medication(dice: Dice, model: OutcomeModel, history: Body, besides: Sequence[Background]) -> Body:
    """Drugs for what the history affirms (they repeat what is written) among others by chance."""
    drugs = [
        dice.pick(model.conditions[fact.condition].drugs)
        for fact in history.facts
        if fact.affirmed and model.conditions[fact.condition].drugs and dice.chance(0.4)
    ]
    drugs += [dice.pick(b.drugs) for b in besides if b.drugs and dice.chance(0.4)]
    drugs += [drug for drug in dice.some(_DRUGS, dice.between(1, 4)) if drug not in drugs]
    body = Body()
    if dice.chance(0.3):
        for number, drug in enumerate(dice.shuffled(drugs), 1):
            body.say(f"{number}. {drug}", new_line=True)
    else:
        body.say(", ".join(dice.shuffled(drugs)))
    return body


def _exam(dice: Dice, model: OutcomeModel, patient: Patient, stay: Admission) -> Body:
    body = Body()
    body.say(_vitals(dice, "VS: T {t} HR {hr} BP {sbp}/{dbp}"))
    body.say(" ".join(dice.some(_GENERAL, dice.between(2, 4))), new_line=True)
    besides = [dice.pick(b.forms) for b in mentioned(dice, stay.background, "exam", patient.gender)]
    if besides:
        body.say(dice.pick(_LABS).format(enumerated(besides, "and")[0]), new_line=True)
    facts = draw_facts(dice, model.conditions, stay.present, "exam")
    write_facts(dice, body, model.conditions, facts, GRAMMARS["exam"])
    return body


def _family(dice: Dice, model: OutcomeModel) -> Body:
    """Words for conditions that belong to somebody else."""
    body = Body()
    named = [c for c in model.conditions if dice.chance(c.in_family)]
    for condition in dice.shuffled(named):
        body.say(dice.pick(_RELATIVES).format(dice.pick(condition.forms), n=dice.between(40, 88)))
    if not named:
        body.say("Non-contributory.")
    return body


def _social(dice: Dice, canary: bool) -> Body:
    body = Body()
    body.say(dice.pick(_HOMES).format(n=dice.below(1000)))
    body.say(dice.pick(_HABITS).format(n=dice.between(2, 40)))
    if canary:
        body.say(CANARY, new_line=True)
    return body


def _vitals(dice: Dice, pattern: str) -> str:
    """Numbers by chance, in the normal range: they say nothing about the conditions."""
    return pattern.format(
        t=f"{dice.between(968, 1002) / 10:.1f}",
        hr=dice.between(62, 108),
        sbp=dice.between(98, 158),
        dbp=dice.between(52, 90),
        n=dice.below(1000),
        bringer=dice.pick(_BRINGERS),
    )


def assembled(sections: Sections) -> str:
    """The admission text as tasks assemble it: `HEADING: body` blocks, blanks collapsed, empty sections left out."""
    blocks = (f"{heading}: {' '.join(sections[key].text.split())}" for heading, key in ORDER if key in sections)
    return "\n\n".join(blocks)


def trace(model: OutcomeModel, patient: Patient, stay: Admission, sections: Sections) -> list[tuple[int, float]]:
    """What an ideal reader believes: (words read, P(death)), from nothing read to all, at every change.

    Facts count where they are written; silence about the rest of a section counts where the section ends.
    """
    reader = Reader(model, patient.band, stay.ordinal)
    read, met, death_stated = 0, False, False
    rows = [(0, unstated(model, p_death_unread(model)))]
    for heading, key in ORDER:
        if key not in sections:
            continue
        body = sections[key]
        read += heading.count(" ") + 1
        if body.opening:
            met = True  # age and earlier stays stand in the first sentence
            _note(rows, read + body.opening, reader.p_death())
        for fact in sorted(body.facts, key=lambda fact: fact.words):
            reader.reads(fact.condition, fact.affirmed)
            _note(rows, read + fact.words, reader.p_death())
        read += body.words
        death_stated = death_stated or body.tells_death
        reader.finishes(key)
        if met:
            _note(rows, read, 1.0 if death_stated else reader.p_death())
    return rows


def _note(rows: list[tuple[int, float]], words: int, probability: float) -> None:
    """Add a row if the belief has changed; of several at one word the last holds."""
    if rows[-1][0] == words:
        rows.pop()
    if not rows or rows[-1][1] != probability:
        rows.append((words, probability))
