"""What patients have besides: common, documented and billed, and of no bearing on who dies.

    hypertension ─DOCUMENTED─▶ "Significant for ... Also hypertension and gout." ─▶ billed 4019 / I10 in any case

Given the age band (which every note tells first) a background is independent of the conditions and of the outcome, so
the oracle of mortality need not look at it. For a task that predicts codes it is signal with a known amount of noise:
P(documented | has) = DOCUMENTED, P(documented | has not) = DOCUMENTED_WRONGLY.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from chartune.made_up.dice import Dice

DOCUMENTED: Final = 0.88
DOCUMENTED_WRONGLY: Final = 0.01


@dataclass(frozen=True, slots=True)
class Background:
    """One of them."""

    code: str
    """ICD-9-CM; `diagnosis_codes` knows its ICD-10-CM."""
    where: Literal["history", "exam"]
    """The section that tells it; what stands in the history is chronic and stays with the patient."""
    prevalence: tuple[float, float, float]
    """P(present) by age band."""
    forms: tuple[str, ...]
    """Ways of writing it; none is a form of anything else."""
    drugs: tuple[str, ...] = ()
    """Medicines taken at home when it is documented."""
    gender: str | None = None
    """`F` or `M` if only they can have it."""


# fmt: off
BACKGROUNDS: Final = (
    Background("4019", "history", (.12, .38, .52), ("hypertension", "HTN", "high blood pressure"),
               ("lisinopril 10 mg daily", "amlodipine 5 mg daily")),
    Background("2724", "history", (.06, .22, .28), ("hyperlipidemia", "dyslipidemia", "HLD"),
               ("atorvastatin 40 mg daily",)),
    Background("2720", "history", (.02, .07, .07), ("hypercholesterolemia", "high cholesterol"),
               ("simvastatin 20 mg daily",)),
    Background("53081", "history", (.08, .14, .14), ("GERD", "acid reflux"), ("omeprazole 20 mg daily",)),
    Background("2449", "history", (.04, .08, .13), ("hypothyroidism",), ("levothyroxine 50 mcg daily",)),
    Background("41401", "history", (.01, .13, .22), ("coronary artery disease", "CAD"), ("aspirin 81 mg daily",)),
    Background("42731", "history", (.01, .09, .20), ("atrial fibrillation", "afib"), ("metoprolol 25 mg BID",)),
    Background("311", "history", (.10, .11, .09), ("depression",), ("sertraline 50 mg daily",)),
    Background("30000", "history", (.07, .06, .04), ("anxiety",), ("lorazepam PRN",)),
    Background("71590", "history", (.01, .06, .12), ("osteoarthritis", "degenerative joint disease")),
    Background("73300", "history", (.005, .03, .09), ("osteoporosis",), ("alendronate weekly",)),
    Background("2749", "history", (.01, .05, .06), ("gout",), ("allopurinol 100 mg daily",)),
    Background("3659", "history", (.005, .02, .05), ("glaucoma",), ("latanoprost drops",)),
    Background("34690", "history", (.06, .03, .01), ("migraine", "migraines"), ("sumatriptan PRN",)),
    Background("49390", "history", (.08, .06, .05), ("asthma",), ("fluticasone inhaler",)),
    Background("27800", "history", (.07, .08, .03), ("obesity",)),
    Background("32723", "history", (.03, .08, .05), ("sleep apnea", "OSA")),
    Background("60000", "history", (.00, .08, .20), ("BPH",), ("tamsulosin 0.4 mg daily",), "M"),
    Background("V1046", "history", (.00, .04, .09), ("prostate cancer s/p resection",), (), "M"),
    Background("V103", "history", (.01, .05, .08), ("breast cancer s/p lumpectomy",), ("anastrozole 1 mg daily",), "F"),
    Background("4439", "history", (.005, .05, .07), ("peripheral vascular disease", "PVD")),
    Background("4240", "history", (.005, .03, .06), ("mitral regurgitation",)),
    Background("4241", "history", (.002, .02, .06), ("aortic stenosis",)),
    Background("V4581", "history", (.002, .06, .09), ("s/p CABG",)),
    Background("V4501", "history", (.002, .02, .07), ("pacemaker",)),
    Background("V5861", "history", (.01, .06, .12), ("long-term anticoagulation",), ("warfarin 5 mg daily",)),
    Background("3051", "history", (.14, .13, .04), ("active smoking", "tobacco use")),
    Background("V1582", "history", (.05, .15, .18), ("former smoker",)),
    Background("30390", "history", (.07, .06, .02), ("alcohol dependence", "alcoholism"), ("thiamine 100 mg daily",)),
    Background("07054", "history", (.04, .04, .01), ("hepatitis C", "HCV")),
    Background("7140", "history", (.01, .02, .03), ("rheumatoid arthritis",), ("methotrexate weekly",)),
    Background("6961", "history", (.015, .015, .015), ("psoriasis",)),
    Background("56210", "history", (.01, .05, .07), ("diverticulosis",)),
    Background("5533", "history", (.01, .03, .04), ("hiatal hernia",)),
    Background("V1254", "history", (.01, .05, .09), ("prior stroke", "old CVA")),
    Background("V1251", "history", (.02, .04, .04), ("prior DVT",)),
    Background("33394", "history", (.01, .02, .02), ("restless legs",), ("ropinirole nightly",)),
    Background("7242", "history", (.04, .04, .04), ("chronic back pain", "lumbago")),
    Background("36610", "history", (.00, .02, .07), ("cataracts",)),
    Background("E9320", "history", (.008, .015, .015), ("steroid side effects",), ("prednisone 10 mg daily",)),
    Background("2777", "history", (.01, .02, .015), ("metabolic syndrome",)),
    Background("2734", "history", (.01, .012, .01), ("alpha-1 antitrypsin deficiency",)),
    Background("V4579", "history", (.03, .06, .08), ("s/p cholecystectomy",)),
    Background("5849", "exam", (.05, .12, .17), ("acute kidney injury", "AKI")),
    Background("2761", "exam", (.03, .06, .08), ("hyponatremia",)),
    Background("2768", "exam", (.05, .06, .06), ("hypokalemia",)),
    Background("2767", "exam", (.02, .03, .05), ("hyperkalemia",)),
    Background("2762", "exam", (.04, .04, .05), ("acidosis",)),
    Background("2859", "exam", (.07, .12, .16), ("anemia", "a low hematocrit")),
    Background("2875", "exam", (.03, .04, .05), ("thrombocytopenia", "low platelets")),
    Background("28860", "exam", (.04, .05, .05), ("leukocytosis",)),
    Background("2738", "exam", (.02, .03, .04), ("hypoalbuminemia",)),
    Background("27651", "exam", (.03, .04, .05), ("dehydration",)),
    Background("5119", "exam", (.02, .05, .06), ("pleural effusion",)),
    Background("00845", "exam", (.01, .02, .03), ("C. difficile colitis",)),
    Background("70703", "exam", (.01, .02, .05), ("a sacral decubitus ulcer",)),
    Background("78820", "exam", (.01, .03, .05), ("urinary retention",)),
    Background("7850", "exam", (.03, .03, .03), ("tachycardia",)),
    Background("E8801", "exam", (.01, .01, .02), ("bruises from a fall on a curb",)),
    Background("E8809", "exam", (.01, .015, .03), ("bruises from a fall on stairs",)),
    Background("E8859", "exam", (.02, .02, .05), ("bruises after slipping",)),
    Background("E8881", "exam", (.01, .015, .02), ("bruises from striking a table",)),
)
# fmt: on


def draw_chronic(dice: Dice, band: int, gender: str) -> tuple[bool, ...]:
    """Which chronic backgrounds a patient has."""
    return tuple(_draw(dice, b, band, gender) and b.where == "history" for b in BACKGROUNDS)


def draw_acute(dice: Dice, band: int, gender: str, chronic: Sequence[bool]) -> tuple[bool, ...]:
    """All backgrounds of one stay: the chronic ones, and acute ones drawn anew."""
    return tuple(
        lasting or (_draw(dice, b, band, gender) and b.where == "exam")
        for b, lasting in zip(BACKGROUNDS, chronic, strict=True)
    )


def mentioned(dice: Dice, present: Sequence[bool], where: str, gender: str) -> list[Background]:
    """The backgrounds that a section mentions, in the order in which the author thinks of it."""
    named = [
        b
        for b, has in zip(BACKGROUNDS, present, strict=True)
        if b.where == where and b.gender in (None, gender) and dice.chance(DOCUMENTED if has else DOCUMENTED_WRONGLY)
    ]
    return dice.shuffled(named)


def codes(present: Sequence[bool]) -> list[str]:
    """ICD-9-CM codes of what is present."""
    return [b.code for b, has in zip(BACKGROUNDS, present, strict=True) if has]


def _draw(dice: Dice, background: Background, band: int, gender: str) -> bool:
    possible = background.gender in (None, gender)
    return dice.chance(background.prevalence[band]) and possible
