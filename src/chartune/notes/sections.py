"""Sections of a discharge summary: which of them describe what was known on arrival.

    Chief Complaint:                    ┐
    Fever                               │ kept: the eight sections that describe the patient on admission
                                        │ (van Aken et al., 2021, doi:10.18653/v1/2021.eacl-main.75, "CORe")
    Past Medical History: CHF.          ┘
    Brief Hospital Course:              ┐ dropped: written with the outcome in view
    He was intubated and ...            ┘

A section runs from its heading to the next one: a heading-like line after a blank line, a line that begins with a
known heading of a discharge summary, or the end of the text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from chartune.notes.caseless import caseless
from chartune.notes.headings import SURGICAL, Known, is_variant, title_of

ADMISSION: Final = (
    "CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY", "MEDICATION ON ADMISSION",
    "ALLERGIES", "PHYSICAL EXAM", "FAMILY HISTORY", "SOCIAL HISTORY",
)  # fmt: skip
"""Titles of the admission text, in its order."""
_ON_ARRIVAL: Final = frozenset((*ADMISSION, SURGICAL))

ESSENTIAL: Final = ("CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY")
"""A note that has none of these says nothing about why the patient came."""

_UNIT: Final = r"(?:hospital|inpatient|floor|ward|(?:post-?)?operative|or|\w{0,4}icu|ccu|intensive\s+care(?:\s+unit)?)"
LATER: Final = {
    "hospital course": r"(?:(?:brief|concise|summary\s+of(?:\s+the)?)\s+){0,2}" + _UNIT + r"\s+course"
    r"(?:\s+(?:by|per)\s+[\w ,/]{1,30})?|course\s+in\s+(?:the\s+)?" + _UNIT,
    "transfer": r"(?:medications?|meds|condition|(?:physical\s+)?exam\w*)\s+(?:on|at|upon)\s+transfer"
    r"(?:\s+to\s+[\w /]{1,30})?|transfer\s+med(?:ication)?s",
    "discharge": r"discharge\s+(?:medications?|meds|diagnos[ie]s|condition|instructions?|disposition|status|labs?|date"
    r"|weight|(?:physical\s+)?exam\w*)|(?:on|at|upon)\s+discharge",
    "time of death": r"(?:exam\w*\s+)?(?:at\s+)?time\s+of\s+death",
    "procedures": r"(?:major\s+surgical\s+.{0,30})?procedures?(?:\s+performed)?",
    "follow-up": r"follow[\s-]?-?up(?:\s+(?:instructions?|plans?|appointments?))?",
}
"""Section that was unknown on arrival → how its heading reads; the leakage audit searches for the same.

The emergency department is none of the units: what it did stands in the present illness and was over by then."""
_KNOWN_LATER: Final = (
    rf"(?=.*course)(?:\S+\s+){{0,5}}(?:{LATER['hospital course']}).{{0,40}}|course|.{{0,40}}discharge.{{0,20}}|"
    + "|".join(LATER.values())
    + r"|pertinent results|attending|service|laborator(?:y|ies).{0,20}|imaging|review of systems|date of birth|addendum"
)
"""Headings that end a section even without a blank line before them: most introduce what was unknown on arrival."""

_LABEL: Final = re.compile(
    r"\n[ \t]*+(?P<masked>(?:_{2,}+|\[\*\*[^\n\]]{0,60}+\])[ \t]++)?+(?P<label>[A-Za-z][^().|\d\\\n:]{0,60}+):"
)
"""A heading, as in `Chief Complaint:` or, behind a de-identified date, `___ DISCHARGE EXAM:`."""
_BARE: Final = caseless(
    r"\n[ \t#*]*+("
    + "|".join(LATER[name] for name in ("hospital course", "transfer", "discharge"))
    + r")[ \t]*(?:(?P<sign>[:(\[–—-])|(?=\n|$))"
)
"""Headings that some authors write with a dash, a bracket or nothing behind them; narrow, because prose is wrapped."""
_LATER_LABEL: Final = re.compile(_KNOWN_LATER, re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]")
"""MIMIC-IV puts `___` in place of most social histories: such a section says nothing."""
_COURSE: Final = re.compile(r"course|discharge\s+(?!date)\w", re.IGNORECASE)
"""The part of a note that was written later has begun; "Discharge Date" stands at its head."""
_ALONE: Final = re.compile(r"[ \t]*(?:\n|$)")

_DIED: Final = r"(?:expired|died|passed\s+away|deceased)\b"
_DEATH: Final = re.compile(
    rf"\b(?:patient|pt)\.?\s+(?:had\s+|has\s+)?{_DIED}|\bs?he\s+expired\b|\bpronounced\s+expired\b|\btime\s+of\s+death\b",
    re.IGNORECASE,
)
_DEATH_ASIDE: Final = re.compile(rf"\b(?:patient|pt)\.?\s+(?:had|has)\s+{_DIED}", re.IGNORECASE)
_DEATH_WORDS: Final = ("expired", "died", "passed", "deceased", "death")
"""Every wording of a death has one of these."""


@dataclass(frozen=True)
class Section:
    """A titled part of a note."""

    title: str
    """One of `ADMISSION` if it describes the patient on arrival, else the heading as it was written."""
    body: str
    """Its text, stripped, line breaks kept."""
    start: int
    """Where its heading's line begins, in characters of the note; CR LF counts as one."""


def sections(text: str, known: Known = "variants") -> Iterator[Section]:
    """The sections of a note in order; text before the first heading belongs to none.

    Args:
        text: of the note.
        known: which headings are.
    """
    text = "\n" + text.replace("\r\n", "\n")
    headings = sorted({heading[0]: heading for heading in _headings(text, known)}.values())
    for (start, body, title), (end, _, _) in pairwise([*headings, (len(text), len(text), "")]):
        yield Section(title, text[body:end].strip(), start)


def admission_sections(text: str, known: Known = "variants") -> dict[str, str]:
    """Title → body of the sections that describe the patient on arrival, blanks collapsed; absent ones are left out.

    Of a title that occurs twice the first with any words counts: later ones come from addenda or from the discharge.
    A surgical history is added to the medical one.
    """
    return arrival(sections(text, known))


def arrival(sections: Iterable[Section]) -> dict[str, str]:
    """`admission_sections` of a note whose sections are at hand."""
    bodies: dict[str, str] = {}
    for section in sections:
        if section.title in _ON_ARRIVAL and section.title not in bodies and _WORD.search(section.body):
            bodies[section.title] = " ".join(section.body.split())
    surgical = bodies.pop(SURGICAL, None)
    if surgical is not None:
        medical = bodies.get("MEDICAL HISTORY")
        bodies["MEDICAL HISTORY"] = f"{medical} Surgical history: {surgical}" if medical else surgical
    return bodies


def admission_text(sections: Mapping[str, str]) -> str:
    """The admission note as models read it: `HEADING: body` blocks in the order of `ADMISSION`, blank-line separated.

    Empty where none of `ESSENTIAL` has any words.
    """
    if not any(sections.get(title) for title in ESSENTIAL):
        return ""
    return "\n\n".join(f"{title}: {sections[title]}" for title in ADMISSION if sections.get(title))


def without_death_asides(sections: Mapping[str, str]) -> dict[str, str]:
    """The sections with "patient has expired" cut from examination and medication, where a template repeats it.

    As in CORe; elsewhere the same words are part of the story, and the note is dropped.
    """
    aside = ("PHYSICAL EXAM", "MEDICATION ON ADMISSION")
    return {t: " ".join(_DEATH_ASIDE.sub("", body).split()) if t in aside else body for t, body in sections.items()}


def words_death_as_core(text: str) -> bool:
    """Whether the text has one of CORe's wordings of a death (van Aken et al., 2021), at word bounds.

    Most deaths are stated in other words; `chartune.notes.deaths` knows them.
    """
    return may_word_death(text) and _DEATH.search(text) is not None


def may_word_death(text: str) -> bool:
    """Whether a wording of CORe's may stand there: a test of single words that spares most texts the patterns."""
    if not text.isascii():  # some letters beyond ASCII count as these in a pattern, and are none in small
        return True
    small = text.lower()
    return any(word in small for word in _DEATH_WORDS)


@lru_cache(maxsize=1 << 14)
def comes_later(label: str) -> bool:
    """Whether a heading, without its colon, is known to end what was known on arrival."""
    return _LATER_LABEL.fullmatch(label) is not None


def _headings(text: str, known: Known) -> Iterator[tuple[int, int, str]]:
    """(where its line begins, where its body begins, title) of the lines that begin a section; the last one counts."""
    # "at discharge (1.2 mg)" is prose
    bare = [match for match in _BARE(text) if not match["sign"] or text[match.start(1)].isupper()]
    for match in bare:
        yield match.start(), match.end(), text[slice(*match.span(1))]
    opened, later = 0, min((match.start() for match in bare if _COURSE.search(match[1])), default=len(text))
    for match in _LABEL.finditer(text):
        label = match["label"].rstrip()
        title = _title(text, match, label, known, later)
        later_heading = title is None and comes_later(label)
        if match["masked"] and not ((title or later_heading) and label[0].isupper()):
            continue  # "___ presented with the following history: ..." is a name and prose
        # "Physical Exam:", an empty line, "Vitals: ...": a sub-heading does not close what has no words yet.
        closes = title or later_heading or _follows_blank_line(text, match.start())
        if closes and (title or later_heading or text[opened : match.start()].strip()):
            opened = match.end()
            later = min(later, match.start()) if later_heading and _COURSE.search(label) else later
            yield match.start(), match.end(), title or label


def _title(text: str, match: re.Match[str], label: str, known: Known, later: int) -> str | None:
    """The admission title of a heading; below the hospital course a variant is one on a line of its own only."""
    title = title_of(label, known)
    if title is None or match.start() < later or not is_variant(label):
        return title
    alone = _follows_blank_line(text, match.start()) and _ALONE.match(text, match.end()) is not None
    return title if alone else None


def _follows_blank_line(text: str, start: int) -> bool:
    return text[max(0, start - 8) : start].rstrip(" \t").endswith("\n")
