"""Headings of a discharge summary that describe the patient on arrival: CORe's eight, and how other authors write them.

    "History of Present Illness:"       present illness        ends as CORe's does (van Aken et al., 2021)
    "HPI:", "Presenting complaint:"     present illness        a variant
    "Discharge physical exam:"          none of them           taken days later

CORe knows a heading by how it ends, whoever wrote what before. A variant is known as a whole, and below a section that
was written later it must stand on a line of its own after a blank one: the hospital course has sub-headings, too.
"""

import re
from functools import lru_cache
from typing import Final, Literal

Known = Literal["variants", "core"]
"""Which headings are known: chartune's, or CORe's own only."""

SURGICAL: Final = "SURGICAL HISTORY"
"""Given by many authors beside the medical history, of which it becomes a part."""
CORE: Final = {
    "CHIEF COMPLAINT": r"chief complaint",
    "PRESENT ILLNESS": r"present illness",
    "MEDICATION ON ADMISSION": r"medications on admission",
    "ALLERGIES": r"allergies",
    "PHYSICAL EXAM": r"physical exam",
    "FAMILY HISTORY": r"family history",
    "SOCIAL HISTORY": r"social history",
    "MEDICAL HISTORY": r"medical history",
}
"""Title in an admission text → how CORe's heading ends; the first that fits wins."""
ENDINGS: Final = {
    "CHIEF COMPLAINT": r"chief complaints?",
    "PRESENT ILLNESS": r"present illness",
    "MEDICATION ON ADMISSION": r"medications? (?:on|prior to|at) admission|admission medications?",
    "ALLERGIES": r"allerg(?:ies|y)",
    "PHYSICAL EXAM": r"physical exam(?:ination)?(?: (?:on|at|upon) (?:admission|presentation))?",
    "FAMILY HISTORY": r"family (?:medical )?history",
    "SOCIAL HISTORY": r"social history",
    "MEDICAL HISTORY": r"medical history",
}
"""The same, with the spellings that stand as near."""
_HISTORY: Final = r"(?:history|hx)"
_ON_ARRIVAL: Final = r"(?:on|at|upon|prior to|before) (?:admission|arrival|presentation)"
VARIANTS: Final = {
    "CHIEF COMPLAINT": r"c\.?/?c\.?|presenting (?:complaint|problem|symptom)s?|chief problem"
    r"|reasons? for (?:admission|hospitali[sz]ation|presentation|visit)",
    "PRESENT ILLNESS": r"(?:brief )?h\.?p\.?i\.?|(?:history of )?(?:the )?(?:present(?:ing)?|current)"
    r" (?:illness|complaint|problem|condition|symptom)(?:e?s)?|(?:history of presenting|hx of present) illness"
    rf"|presenting {_HISTORY}|{_HISTORY} of presentation|clinical {_HISTORY}",
    "MEDICAL HISTORY": r"pmhx?|pmh ?/ ?psh"
    rf"|(?:past|previous|prior)? ?medical(?: ?/ ?| and | & )surgical {_HISTORY}|(?:past |previous |prior )?medical hx"
    rf"|(?:past|previous|prior|relevant) {_HISTORY}|past illnesses|comorbidit(?:ies|y)"
    r"|(?:chronic |active |past )?medical (?:problem|condition)s",
    SURGICAL: rf"pshx?|(?:(?:past|previous|prior) )?surgical {_HISTORY}"
    r"|(?:past|prior|previous) (?:surger(?:ies|y)|operations)",
    "MEDICATION ON ADMISSION": rf"(?:medication|med)s? {_ON_ARRIVAL}|admission meds?"
    r"|(?:home|outpatient|pre-?admission|pre-?hospital|regular|usual) (?:medication|med|drug|medicine)s?(?: list)?"
    r"|(?:medication|med)s? at home",
    "ALLERGIES": r"(?:(?:drug|known|food) )?allerg(?:ies|y)(?: list|(?: ?/ ?| and | & )[a-z ]{1,30})"
    r"|adverse (?:drug )?reactions|drug intolerances?",
    "PHYSICAL EXAM": rf"(?:physical )?exam(?:ination)? {_ON_ARRIVAL}"
    r"|(?:admission|admitting) (?:physical )?exam(?:ination)?"
    r"|(?:initial|presenting) (?:physical )?exam(?:ination)?|p/e|physical(?: findings)?|admission physical",
    "FAMILY HISTORY": r"fhx?|fmhx?|fam(?:ily)? hx",
    "SOCIAL HISTORY": r"shx?|soc(?:ial)? hx|social (?:situation|background)",
}
"""Title → other headings, as a whole."""

_LATER: Final = "discharge"
"""A heading with this ends like one of the arrival, but was written days later."""


@lru_cache(maxsize=1 << 14)
def title_of(label: str, known: Known = "variants") -> str | None:
    """The admission title that a heading stands for, `SURGICAL` among them; None: for none, or it came later.

    Args:
        label: the heading, without its colon.
        known: which headings are.
    """
    plain = " ".join(label.split()).lower()
    if _LATER in plain:
        return None
    match = _PATTERNS[known].search(plain)
    if match is None and known == "variants":
        match = _WHOLE.fullmatch(plain)
    return (match.lastgroup or "").replace("_", " ") if match else None


def is_variant(label: str) -> bool:
    """Whether a heading is known as a variant only, and does not end as one that is known for sure."""
    plain = " ".join(label.split()).lower()
    return _PATTERNS["variants"].search(plain) is None


def _any(endings: dict[str, str]) -> str:
    return "|".join(f"(?P<{title.replace(' ', '_')}>{ending})" for title, ending in endings.items())


_PATTERNS: Final = {
    "variants": re.compile(rf"(?<!\w)(?:{_any(ENDINGS)})$"),
    "core": re.compile(rf"(?<!\w)(?:{_any(CORE)})$"),
}
_WHOLE: Final = re.compile(_any(VARIANTS))
