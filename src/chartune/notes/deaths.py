"""Stated deaths: whether a text says that its patient has died, as opposed to other deaths and feared ones.

    "... worsened and died 2 hours later"    stated
    "His father died of MI."                 another's        the experiencer
    "Denies thoughts of death."              did not happen   negation
    "risks including bleeding and death"     did not happen   hypothetical
    "died down", "expired inhaler"           no death         pseudo-terms

Triggers with scopes within a sentence, as in NegEx (Chapman et al., 2001, doi:10.1006/jbin.2001.1029) and ConText
(Harkema et al., 2009, doi:10.1016/j.jbi.2009.05.002); the lexicon is `chartune.notes.death_terms`.
"""

import re
from collections.abc import Iterator
from typing import Final

from chartune.notes import death_terms as terms
from chartune.notes.caseless import caseless

NEGATED_WITHIN: Final = 5
"""Words over which a negation or a conjecture reaches, as in NegEx."""
_BOUND: Final = re.compile(r"(?<!\b[Pp]t)(?<!\bDr)(?<!\bMr)(?<!\bMrs)(?<!\bMs)[.!?;]\s+|\n\s*\n|[.!?;]$")
_HEADING: Final = re.compile(r"\b[A-Z][A-Z /&]{1,40}:|(?:^|\n)[ \t]*[A-Za-z][A-Za-z /]{1,40}:")
_FAMILY: Final = re.compile(r"\s*(?:family(?:\s+\w+)?\s+history|fhx?|fam\s+hx)\b", re.IGNORECASE)
_PRONOUN: Final = re.compile(r"\s*(?:he|she|they|both|one)\b", re.IGNORECASE)
_OF_PATIENT: Final = re.compile(r"\b(?:patient|pt)\.?\s+(?:had\s+|has\s+)?(?:was\s+)?$", re.IGNORECASE)
_NEAR: Final = 400
"""Characters that a sentence has at most on either side of a term."""
_FAR: Final = 2000
"""Characters over which a heading reaches back."""
_WORD: Final = re.compile(r"[\w'/]+")
_TERMS: Final = caseless(terms.TERMS.pattern)
_PSEUDO: Final = caseless(terms.PSEUDO.pattern)


def tells_death(text: str) -> bool:
    """Whether the text says that the patient died."""
    return may_tell_death(text) and any(_stated(text, match) for match in _deaths(text))


def may_tell_death(text: str) -> bool:
    """Whether a term may stand there: a test of single words that spares most texts the patterns."""
    if not text.isascii():  # some letters beyond ASCII count as these in a pattern, and are none in small
        return True
    small = text.lower()
    return any(word in small for word in terms.MAY)


def _deaths(text: str) -> Iterator[re.Match[str]]:
    """The terms of a death, without those that stand in a pseudo-term."""
    matches = list(_TERMS(text))
    pseudo = [match.span() for match in _PSEUDO(text)] if matches else []
    for match in matches:
        if not any(start <= match.start() and match.end() <= end for start, end in pseudo):
            yield match


def _stated(text: str, term: re.Match[str]) -> bool:
    start, end = _sentence(text, term.start(), term.end())
    before, after = text[start : term.start()], text[term.end() : end]
    if term.lastgroup == "examined":
        return not (_of_family_section(text, start, before) or _not_examined(before, after))
    if _of_family_section(text, start, before) or _of_another(before, after, text[:start]):
        return False
    return term.lastgroup == "fact" or not _did_not_happen(before, after, str(term.lastgroup))


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the sentence around a term begins and ends."""
    near = max(0, start - _NEAR)
    begins = max((bound.end() for bound in _BOUND.finditer(text, near, start)), default=near)
    after = _BOUND.search(text, end, end + _NEAR)
    return begins, after.start() if after else min(len(text), end + _NEAR)


def _of_family_section(text: str, start: int, before: str) -> bool:
    """Whether the sentence stands in the family's history and is not of the patient by name."""
    headings = [heading[0] for heading in _HEADING.finditer(text[: start + len(before)], max(0, start - _FAR))]
    return bool(headings) and _FAMILY.match(headings[-1]) is not None and not _OF_PATIENT.search(before)


def _not_examined(before: str, after: str) -> bool:
    """Whether an autopsy is somebody else's, or the patient's trade."""
    of_another = any(
        (match[0].lower().endswith(("'s", "s'")) and not before[match.end() :].strip())
        or (not before[: match.start()].strip() and terms.OF_SUBJECT.match(before[match.end() :]))
        for match in terms.RELATIVE.finditer(before)
    )
    return of_another or _owned_after(after) or terms.OCCUPATION.search(before) is not None


def _of_another(before: str, after: str, earlier: str) -> bool:
    """Whether somebody else dies (ConText's experiencer)."""
    relatives = list(terms.RELATIVE.finditer(before))
    if relatives and _dies(before, relatives[-1]):
        return True
    if _owned_after(after) or terms.COUNTED.search(before):
        return True
    if terms.ELSEWHERE.search(after) and not _OF_PATIENT.search(before):
        return True
    return not relatives and _PRONOUN.match(before) is not None and _of_relative_before(earlier)


def _dies(before: str, relative: re.Match[str]) -> bool:
    """Whether the last relative before a term is who dies."""
    rest = before[relative.end() :]
    if terms.WHO.match(rest):
        return not terms.PATIENT.search(rest)
    if terms.BY_RELATIVE.search(before[: relative.start()]) and _WORD.search(rest):
        return False
    return not (terms.PATIENT.search(rest) or terms.ONLOOKER.search(rest))


def _owned_after(after: str) -> bool:
    relative = terms.RELATIVE.search(after)
    between = after[: relative.start()] if relative else ""
    return relative is not None and any(rule.match(between) for rule in (terms.OF_RELATIVE, terms.ASIDE))


def _of_relative_before(earlier: str) -> bool:
    """Whether the sentence before is about a relative, so that "he" is that one."""
    earlier = earlier.rstrip(" \n.!?;")[-_NEAR:]
    sentence = earlier[max((bound.end() for bound in _BOUND.finditer(earlier)), default=0) :]
    subject = terms.RELATIVE.search(sentence)
    return subject is not None and len(sentence[: subject.start()].split()) <= 2


def _did_not_happen(before: str, after: str, kind: str) -> bool:
    """Whether a death is denied, feared or foretold."""
    if terms.WOULD_HAVE.search(before) or _reaches(before, terms.NEGATION, terms.NEGATION_ENDS):
        return True
    foretold = terms.FORETOLD_NOUN if kind == "noun" else terms.FORETOLD_VERB
    if _reaches(before, foretold, terms.FORETOLD_ENDS):
        return True
    if kind != "noun":
        return False
    return bool(terms.CONSENT.search(before) or terms.AFTER_NOUN.match(after) or terms.SUDDEN_SURVIVED.match(after))


def _reaches(before: str, triggers: frozenset[str], ends: frozenset[str]) -> bool:
    """Whether a trigger stands among the last words, and nothing that ends its scope after it."""
    for word in reversed(_WORD.findall(before.lower())[-NEGATED_WITHIN:]):
        if word in triggers:
            return True
        if word in ends:
            return False
    return False
