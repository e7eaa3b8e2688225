"""CORe's own rules for an admission note, faults included: what P1's and P2's published counts rest on.

van Aken et al. (2021, doi:10.18653/v1/2021.eacl-main.75) cut eight sections by pattern from all summaries of an
admission glued together. `chartune.notes.sections` holds the rules of chartune's own; the two differ here:

    CORe                                                         chartune
    a section ends at an empty line before a heading-like line   at any known heading, too, and at the end of the note
    so a last section is lost                                    kept
    "Physical Examination:" and "Allergy:" are not known         known
    an empty section keeps its heading                           is left out
    "he expired" is found in "she expired", too                  at word bounds
    of an examination the first " died" is cut, whoever died     "patient has died" is cut, wherever it stands in it
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from chartune.notes.headings import CORE
from chartune.notes.sections import ADMISSION, ESSENTIAL, may_word_death

HEADINGS: Final = {title: f"{CORE[title]}:" for title in ADMISSION}
"""Title → how its heading ends, case apart: `Past Medical History:` is found by its ending."""
# For texts beyond ASCII: some letters grow when they are made small, and every place behind them would shift.
_BEGIN: Final = {title: re.compile(heading, re.IGNORECASE) for title, heading in HEADINGS.items()}
_END: Final = re.compile(r"\n\n[^().|\d\\\n]+:")
_DIED: Final = r"(?:had\s|has\s)?(?:expired|died|passed away|deceased)"
_ASIDE: Final = re.compile(
    rf"((?:PHYSICAL EXAM|MEDICATION ON ADMISSION):[^\n]*?)(?:patient|pt)?\s+{_DIED}", re.IGNORECASE
)
_DEATH: Final = re.compile(rf"(?:patient|pt)\s+{_DIED}|he expired|pronounced expired|time of death", re.IGNORECASE)


def core_sections(texts: Sequence[str]) -> dict[str, str]:
    """Title → body of the eight sections, in their order; empty where one is not found or nothing ends it.

    Args:
        texts: the summaries of an admission by date, reports and addenda.
    """
    text = "\n\n".join(text.replace("\r\n", "\n") for text in texts).strip()
    return {title: _body(text, end) for title, end in _ends(text)}


def core_text(sections: dict[str, str]) -> str:
    """The admission note, every heading kept; empty where none of `ESSENTIAL` has words."""
    if not any(sections[title] for title in ESSENTIAL):
        return ""
    return "\n\n".join(f"{title}: {sections[title]}" for title in ADMISSION)


def core_without_asides(text: str) -> str:
    """An admission note, the first word of a death cut from its examination and from its medication."""
    return _ASIDE.sub(r"\1", text) if may_word_death(text) else text


def core_tells_death(text: str) -> bool:
    """Whether the text says that the patient died."""
    return may_word_death(text) and _DEATH.search(text) is not None


def _ends(text: str) -> Iterator[tuple[str, int]]:
    """Where each heading ends; -1: it is not there."""
    if text.isascii():  # six times as fast, and nearly every note of a release is ASCII
        small = text.lower()
        for title, heading in HEADINGS.items():
            start = small.find(heading)
            yield title, start + len(heading) if start >= 0 else -1
        return
    for title, begin in _BEGIN.items():
        match = begin.search(text)
        yield title, match.end() if match else -1


def _body(text: str, begins: int) -> str:
    if begins < 0:
        return ""
    end = _END.search(text, begins + 1)  # at least one character stands between
    return text[begins : end.start()].replace("\n", " ").strip() if end else ""
