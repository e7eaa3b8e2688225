"""De-identified spans: `[**2151-7-16**]` in MIMIC-III, `___` in MIMIC-IV; and a note's text in either release.

A span of three words becomes one, so that the words of a section are counted anew: the oracle is exact in both.
"""

import re
from dataclasses import replace
from typing import Final

from chartune.made_up.admission_text import CANARY, Sections
from chartune.made_up.notes_of_stay import Note
from chartune.made_up.sentences import Body

_SPAN: Final = re.compile(r"\[\*\*.*?\*\*\]", re.DOTALL)
_SOCIAL: Final = "Social History:\n"
HIDDEN: Final = "___"


def mimic3_text(note: Note) -> str:
    """The text as MIMIC-III has it."""
    text = "\n\n".join(note.parts)
    return text if text in ("NA", "null") else text + "\n"


def mimic4_text(note: Note) -> str:
    """The text as MIMIC-IV-Note has it: lines of one blank between sections, no social history."""
    if note.category != "Discharge summary":
        text = _SPAN.sub(HIDDEN, note.parts[0])
        return text if text in ("NA", "null") else text + "\n"
    parts = [_part(part) for part in note.parts]
    return " \nName:  ___                     Unit No:   ___\n \n" + "\n \n".join(parts) + "\n"


def mimic4_sections(sections: Sections) -> Sections:
    """The sections that say something in MIMIC-IV's text, with their words and facts counted anew."""
    return {key: _body(body) for key, body in sections.items() if _kept(key, body.text)}


def _part(part: str) -> str:
    if part.startswith(_SOCIAL) and not _kept("social", part):
        return _SOCIAL + HIDDEN
    return _SPAN.sub(HIDDEN, part)


def _kept(key: str, text: str) -> bool:
    """MIMIC-IV-Note hides every social history; that with the canary stays, or it could not sing."""
    return key != "social" or " ".join(CANARY.split()) in " ".join(text.split())


def _body(body: Body) -> Body:
    spans = [(len(body.text[: m.end()].split()), len(m[0].split()) - 1) for m in _SPAN.finditer(body.text)]
    if not spans:
        return body

    def moved(words: int) -> int:
        return words - sum(gone for end, gone in spans if end <= words)

    return Body(
        _SPAN.sub(HIDDEN, body.text),
        moved(body.words),
        [replace(fact, words=moved(fact.words)) for fact in body.facts],
        moved(body.opening),
        body.tells_death,
    )
