"""Sections of a discharge summary: which of its words tell what was known on arrival.

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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

HEADINGS: Final = {
    "CHIEF COMPLAINT": r"chief complaints?",
    "PRESENT ILLNESS": r"present illness",
    "MEDICATION ON ADMISSION": r"medications? (?:on|prior to|at) admission|admission medications?",
    "ALLERGIES": r"allerg(?:ies|y)",
    "PHYSICAL EXAM": r"physical exam(?:ination)?(?: (?:on|at|upon) (?:admission|presentation))?",
    "FAMILY HISTORY": r"family (?:medical )?history",
    "SOCIAL HISTORY": r"social history",
    "MEDICAL HISTORY": r"medical history",
}
"""Title in an admission text → how its heading ends; the first that fits wins: "Family Medical History" is family."""

ADMISSION: Final = (
    "CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY", "MEDICATION ON ADMISSION",
    "ALLERGIES", "PHYSICAL EXAM", "FAMILY HISTORY", "SOCIAL HISTORY",
)  # fmt: skip
"""Titles of the admission text, in its order."""

ESSENTIAL: Final = ("CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY")
"""A note that has none of these says nothing about why the patient came."""

_LATER: Final = (
    r"(?:\S+ )?hospital course.{0,40}|.{0,40}discharge.{0,20}|pertinent results|major surgical .{0,30}procedures?"
    r"|follow ?-?up instructions|attending|service|procedures?(?: performed)?|laborator(?:y|ies).{0,20}|imaging"
    r"|review of systems|date of birth|addendum"
)
"""Headings that end a section even without a blank line before them: most introduce what nobody knew on arrival."""

_LABEL: Final = re.compile(
    r"\n[ \t]*+(?P<masked>(?:_{2,}+|\[\*\*[^\n\]]{0,60}+\])[ \t]++)?+(?P<label>[A-Za-z][^().|\d\\\n:]{0,60}+):"
)
"""A heading, as in `Chief Complaint:` or, behind a de-identified date, `___ DISCHARGE EXAM:`."""
_BARE: Final = re.compile(
    r"\n[ \t]*+((?:brief |summary of )?hospital course(?: by [\w ,]{1,30})?"
    r"|discharge (?:medications?|diagnos[ie]s|condition|instructions?|disposition|status|labs?|(?:physical )?exam\w*))"
    r"[ \t]*(?=\n|$)",
    re.IGNORECASE,
)
"""Headings that some authors leave without a colon; narrow, because wrapped prose may begin a line with "discharge"."""
_TITLES: Final = re.compile(
    r"(?<!\w)(?:" + "|".join(f"(?P<{title.replace(' ', '_')}>{ending})" for title, ending in HEADINGS.items()) + r")$",
    re.IGNORECASE,
)
_LATER_LABEL: Final = re.compile(_LATER, re.IGNORECASE)
_HINT: Final = re.compile(r"complaint|illness|admission|allerg|exam|history|presentation", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]")
"""MIMIC-IV puts `___` in place of most social histories: such a section says nothing."""
_BLANK_LINE: Final = re.compile(r"\n[ \t]*$")

_DIED: Final = r"(?:expired|died|passed\s+away|deceased)\b"
_DEATH: Final = re.compile(
    rf"\b(?:patient|pt)\.?\s+(?:had\s+|has\s+)?{_DIED}|\bs?he\s+expired\b|\bpronounced\s+expired\b|\btime\s+of\s+death\b",
    re.IGNORECASE,
)
_DEATH_ASIDE: Final = re.compile(rf"\b(?:patient|pt)\.?\s+(?:had|has)\s+{_DIED}", re.IGNORECASE)


@dataclass(frozen=True)
class Section:
    """A titled part of a note."""

    title: str
    """One of `ADMISSION` if it describes the patient on arrival, else the heading as it was written."""
    body: str
    """Its text, stripped, line breaks kept."""
    start: int
    """Where its heading's line begins, in characters of the note; CR LF counts as one."""


def sections(text: str) -> Iterator[Section]:
    """The sections of a note in order; text before the first heading belongs to none."""
    text = "\n" + text.replace("\r\n", "\n")
    headings = sorted(_headings(text))
    for (start, body, title), (end, _, _) in pairwise([*headings, (len(text), len(text), "")]):
        yield Section(title, text[body:end].strip(), start)


def admission_sections(text: str) -> dict[str, str]:
    """Title → body of the sections that describe the patient on arrival, blanks collapsed; absent ones are left out.

    Of a title that occurs twice the first with any words counts: later ones come from addenda or from the discharge.
    """
    found: dict[str, str] = {}
    for section in sections(text):
        if section.title in HEADINGS and section.title not in found and _WORD.search(section.body):
            found[section.title] = " ".join(section.body.split())
    return found


def admission_text(found: Mapping[str, str]) -> str:
    """The admission note as models read it: `HEADING: body` blocks in the order of `ADMISSION`, blank-line separated.

    Empty where none of `ESSENTIAL` has any words.
    """
    if not any(found.get(title) for title in ESSENTIAL):
        return ""
    return "\n\n".join(f"{title}: {found[title]}" for title in ADMISSION if found.get(title))


def without_death_asides(found: Mapping[str, str]) -> dict[str, str]:
    """The sections with "patient has expired" cut from examination and medication, where a template repeats it.

    As in CORe; elsewhere the same words are part of the story, and `tells_death` drops the note.
    """
    aside = ("PHYSICAL EXAM", "MEDICATION ON ADMISSION")
    return {t: " ".join(_DEATH_ASIDE.sub("", body).split()) if t in aside else body for t, body in found.items()}


def tells_death(text: str) -> bool:
    """Whether the text says that the patient died, by the wordings of CORe (van Aken et al., 2021), at word bounds.

    Deaths of relatives ("father died") and "the expired inhaler" do not count.
    """
    return _DEATH.search(text) is not None


def _title(label: str) -> str | None:
    """The admission title that a heading stands for; None for any other heading."""
    if not _HINT.search(label):
        return None
    match = _TITLES.search(label)
    # "Discharge physical exam" ends like an admission heading, but was taken days later.
    if not match or "discharge" in label.lower():
        return None
    return (match.lastgroup or "").replace("_", " ")


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    """(where its line begins, where its body begins, title) of every line that begins a section."""
    opened = 0
    for match in _LABEL.finditer(text):
        label = match["label"].rstrip()
        title = _title(label)
        known = title is not None or _LATER_LABEL.fullmatch(label) is not None
        if match["masked"] and not (known and label[0].isupper()):
            continue  # "___ presented with the following history: ..." is a name and prose
        # "Physical Exam:", an empty line, "Vitals: ...": a sub-heading does not close what has no words yet.
        if known or (_follows_blank_line(text, match.start()) and text[opened : match.start()].strip()):
            opened = match.end()
            yield match.start(), match.end(), title or label
    for match in _BARE.finditer(text):
        yield match.start(), match.end(), match[1]


def _follows_blank_line(text: str, start: int) -> bool:
    return _BLANK_LINE.search(text, max(0, start - 8), start) is not None
