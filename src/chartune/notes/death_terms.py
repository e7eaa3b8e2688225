"""Words of a death and of what stands around it: the lexicon of `chartune.notes.deaths`.

    "... his father died of MI"        relative     another's death
    "... risks of bleeding and death"  hypothetical  it has not happened
    "... the expired inhaler"          pseudo       not a death at all

What is *not* in the list, and why: comfort measures, hospice, withdrawal of care, "do not resuscitate", a call of the
organ bank and an examination for brain death foretell a death and are known of patients who live; the audit shows them.
"""

import re
from typing import Final

MAY: Final = (
    "died", "dies", "dying", "death", "dead", "expired", "passed", "deceased", "demise", "autops", "necrops", "mortem",
    "pronounced", "examiner", "coroner", "morgue", "succumb", "fatal", "exitus", "corpse", "surviv", "resuscitat",
    "lifeless", "his life", "her life", "cpr", "code", "tod",
)  # fmt: skip
"""Every term has one of these, in small letters."""


def _words(pattern: str) -> str:
    """A pattern at word bounds whose blanks stand for any blanks: lines of a chart are wrapped anywhere."""
    return rf"\b(?:{pattern})\b".replace(" ", r"\s+")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


EXAMINED: Final = _words(
    r"autops(?:y|ies)|autopsied|necrops(?:y|ies)|(?:post|ante)-?\s?mortem|coroner|morgue|corpse"
    r"|medical examiner(?:'s office)?"
)
"""What is done to the dead. A negation does not undo it: "autopsy declined" states the death as well."""
VERB: Final = _words(
    r"died|dies|expired|deceased|passed away"
    r"|(?:patient|pt) passed(?= (?:shortly|peacefully|quietly)|[.,;]|$)"
    r"|(?:patient|pt|he|she) passed(?= (?:this|last|at) )|succumbed(?: to)?|exitus(?: letalis)?"
    r"|(?:condition|status|disposition)(?: (?:at|on) discharge)?: ?(?:dead|deceased)"
    r"|dying(?=(?: \w+){0,3} (?:later|after|hours?|days?|minutes?|day|night))"
    r"|pronounced (?:dead|deceased|expired)|(?:was|were) pronounced(?= (?:at|by)|[.,;]|$)"
    r"|declared (?:brain )?dead|found dead|dead on arrival"
    r"|(?:patient|pt|he|she) (?:is|was) (?:already |now )?dead|lost (?:his|her) life|found lifeless"
    r"|did not survive|failed to survive|could not be (?:resuscitated|revived)"
    r"|resuscitat\w+(?: (?:efforts?|attempts?|measures|man\w+))? (?:was|were) (?:unsuccessful|futile|terminated|ceased)"
    r"|(?:cpr|code) (?:was )?(?:unsuccessful|futile)"
    r"|(?:proved|was|were|became) fatal|fatal (?:outcome|event|course|end)"
)
"""Somebody dies or is dead."""
FACT: Final = _words(r"(?:time|cause|manner) of (?:his |her |the )?death|tod(?=:? ?\d)")
"""An unambiguous death."""
NOUN: Final = _words(r"deaths?|demise")
"""A death."""
TERMS: Final = re.compile(f"(?P<examined>{EXAMINED})|(?P<verb>{VERB})|(?P<fact>{FACT})|(?P<noun>{NOUN})", re.IGNORECASE)

_RELATIVES: Final = (
    r"(?:grand|step|god|half-)?(?:father|mother|parent|son|daughter|brother|sister|child|children)s?(?:-in-law)?"
    r"|(?:grand)?(?:mom|mum|mommy|dad|daddy|ma|pa)|husband|wife|spouse|partner|fianc[eé]+|boyfriend|girlfriend"
    r"|ex-\w+|widow(?:ed|er)?|siblings?|twins?|uncles?|aunts?|cousins?|nephews?|nieces?|kids?|bab(?:y|ies)|infants?"
    r"|newborns?|relatives?|famil(?:y|ies)(?: members?)?|kin|maternal|paternal|fhx?|fam hx"
)
_OTHERS: Final = (
    r"friends?|room-?mates?|neighbou?rs?|colleagues?|co-?workers?|donors?|drivers?|passengers?|victims?|people|others"
    r"|fet(?:us|uses|al)|foetus|embryos?|dogs?|cats?|pets?"
)
RELATIVE: Final = re.compile(_words(rf"{_RELATIVES}|{_OTHERS}") + r"(?:'s|s')?", re.IGNORECASE)
"""Somebody else than the patient (ConText's experiencer)."""
PATIENT: Final = re.compile(_words(r"patient|pt|he|she|mr|mrs|ms") + r"(?!'s)", re.IGNORECASE)
"""The patient, between a relative and the term: "his father was called and the patient died"."""
ONLOOKER: Final = re.compile(
    _words(
        r"at (?:the |his |her )?(?:bedside|side)|present|notified|informed|called|contacted|aware|agreed|decided"
        r"|arrived|elected|requested|consented|declined|made|withdr[ae]wn?|told|reports?|states?|says?"
    ),
    re.IGNORECASE,
)
"""What relatives do while the patient dies."""
CONSENT: Final = re.compile(
    r"\b(?:risks?|complications?|potential\s+for|consent\w*|explained|counsel\w+)\b", re.IGNORECASE
)
"""Somewhere before "death" in its sentence: what might happen, as it is listed before a procedure."""
BY_RELATIVE: Final = re.compile(r"\b(?:by|with|per|to)\s+(?:(?:his|her|the|their)\s+)?$", re.IGNORECASE)
"""A relative who does nothing: "found by his wife and died"."""
WHO: Final = re.compile(r"^(?:'s)?\s*,?\s*(?:who|that|whose|has|had|is|was|also)\b", re.IGNORECASE)
OF_RELATIVE: Final = re.compile(
    r"^\W*(?:(?:of|in|for|on|from(?=\s+(?:the|his|her)))\s+)?(?:(?:his|her|the|their|an?|one|two|several|many|maternal|paternal)\s+){0,2}"
    r"(?:(?:older|younger|elder|first|second|close|half)\s+){0,2}$",
    re.IGNORECASE,
)
"""What may stand between a death and the relative whose it is: "death of his older brother", "deceased mother"."""
ASIDE: Final = re.compile(r"^(?:\W+\w+){0,4}\s*\(\s*(?:his\s+|her\s+|the\s+)?$", re.IGNORECASE)
"""What may stand between a death and the relative in brackets whose it is: "died of MI (father)"."""
OF_SUBJECT: Final = re.compile(r"^\s*(?::|with)\s*(?:an?\s+)?$", re.IGNORECASE)
"""Between a relative and what was done to that one: "Brother: autopsy showed", "Father with autopsy-proven"."""
ELSEWHERE: Final = re.compile(
    r"^\s*,?\s*(?:(?:in|at)\s+(?:the\s+)?(?:infancy|birth|childhood|wars?|combat|holocaust)|young\b|as\s+an?\s+(?:child|infant))"
    r"|^(?:\W+\w+){0,8}?\W+(?:age[d]?\s+(?:of\s+)?\d|in\s+(?:his|her|their)\s+(?:early\s+|mid[\s-]|late\s+)?\d0)"
    r"|^\s+at\s+\d{1,3}\b(?![:.]\d|\s*[ap]\.?m)|^\s+of\s+old\s+age\b"
    r"|^(?:\s+\w+){0,4}\s+in\s+the\s+family\b|^(?:\s+\w+){0,6}\s+on\s+the\s+\w+\s+side\b",
    re.IGNORECASE,
)
"""What is said of deaths in families."""
COUNTED: Final = re.compile(
    r"\b(?:\d|one|two|three|four|both|several|many)\s+(?:(?:has|have|had|are|is)\s+)?$", re.IGNORECASE
)
"""How many of them died."""

NEGATION: Final = _set(
    "no not never denies denied deny denying without nor neither cannot nearly almost didn't hasn't isn't"
)
NEGATION_ENDS: Final = _set("and but then however who which until before after prior though although")
FORETOLD_VERB: Final = _set(
    "if whether unless thought thinks thinking believes believed believe felt feels dreamt dreamed dream fears feared "
    "afraid voices claims claimed nearly almost"
)
"""Before "died": nobody has."""
FORETOLD_NOUN: Final = FORETOLD_VERB | _set(
    "risk risks fear thoughts ideation wish wishes threat prevent prevention preventing possible possibility potential "
    "imminent impending including chance likelihood probability discuss discussed discussing discussion worried "
    "anxiety about survived aborted resuscitated history prior near lead could may might would avoid sense feeling "
    "reduce reduces hx h/o s/p passive for against high"
)
"""Before "death": it is feared, likely or survived."""
FORETOLD_ENDS: Final = _set("but then however")
WOULD_HAVE: Final = re.compile(r"\b(?:would|could|might|may)\s+(?:rather\s+)?have\s+$", re.IGNORECASE)
AFTER_NOUN: Final = re.compile(
    r"^\s+(?:wish\w*|threats?|rates?|penalty|anxiety|experience|bed|rattle|donor|and\s+dying"
    r"|(?:is|was|would\s+be|may\s+be)\s+(?:imminent|expected\s+within|likely|inevitable|discussed))\b",
    re.IGNORECASE,
)
SUDDEN_SURVIVED: Final = re.compile(r"^(?:\W+\w+){0,4}\W+(?:resuscitat\w+\s+in|surviv\w+|icd)\b", re.IGNORECASE)
OCCUPATION: Final = re.compile(
    r"\b(?:works?|worked|working|employed|job|profession|occupation|retired|does|did|is\s+an?|as\s+an?)\b[^.]{0,40}$",
    re.IGNORECASE,
)
"""Before what is done to the dead: the patient's trade."""

THINGS: Final = (
    r"inhalers?|medic\w+|meds|prescriptions?|pens?|epi-?pens?|drugs?|antibiotics?|tablets?|pills?|insurance|polic(?:y|ies)|coverage"
    r"|licen[sc]es?|visas?|passports?|certificates?|forms?|contracts?|warrants?|supply|supplies|vouchers?|batter(?:y|ies)"
    r"|phones?|devices?|pacemakers?|lead|cards?|id|order"
)
PSEUDO: Final = re.compile(
    rf"\b(?:{THINGS})\b[^.;,]{{0,30}}\b(?:expired|died|dies)\b"
    rf"|\bexpired\s+(?:\w+\s+)?(?:{THINGS}|tidal|volumes?|air|gas\w*|breath\w*|co2|minute|nitric|vt|food|milk)\b"
    r"|\b(?:died|dies)\s+(?:down|out|off)\b"
    r"|\b(?:deceased|dead|death|cadaver\w*)[\s-]+donors?\b|\bdonation\s+after\s+(?:cardiac\s+|circulatory\s+)?death\b"
    r"|\b(?:f(?:o?)etal|intrauterine|embryonic|neonatal|perinatal|infant|crib|cot|cell|tissue|black)\s+(?:death|demise)s?\b"
    r"|\bbrain[\s-]+death\b(?!\s+(?:was|is)\s+(?:confirmed|declared|diagnosed))(?<!confirmed\sbrain\sdeath)"
    r"(?<!diagnosed\swith\sbrain\sdeath)|\b(?:medical\s+examiner|coroner)\s+by\s+(?:trade|profession)\b"
    r"|\bnear[\s-]+death\b|\bnear[\s-]+fatal\b|\bnon-?fatal\b",
    re.IGNORECASE,
)
"""Terms inside these are none."""
