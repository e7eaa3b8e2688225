"""Verdicts: what the counts mean, rule by rule.

pass   the rule holds
look   a person should look at it: it may be as meant, it may make scores too good
fail   scores on these data mean nothing until it is mended
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

from chartune.tasks.leakage.bases import Base
from chartune.tasks.leakage.copies import Copies
from chartune.tasks.leakage.examples import Examples
from chartune.tasks.leakage.patients import Patients
from chartune.tasks.leakage.phrases import Phrases
from chartune.tasks.leakage.shares import enough
from chartune.tasks.leakage.times import Times
from chartune.tasks.leakage.wording import Wording

Standing = Literal["pass", "look", "fail"]
NAMED: Final = 3
"""Phrases that a verdict names; the list stands with its task."""
MANY: Final = 0.1
"""Share of texts that could not be judged from which on a person should know."""


@dataclass(frozen=True)
class Verdict:
    """How a rule stands in one place."""

    standing: Standing
    law: str
    detail: str
    """Where it is broken and by how much; where it holds, nothing."""

    def to_json(self) -> dict[str, str]:
        """As plain JSON."""
        return {"standing": self.standing, "law": self.law, "detail": self.detail}


PATIENTS: Final = "who is asked about is learnt from nowhere"
EXACT: Final = "no held-out text is learnt from"
CONTAINED: Final = "no held-out text stands in a text that is learnt from"
PARTS: Final = "no part of a held-out text stands in a text that is learnt from"
WORDING: Final = "no phrase reveals an outcome"
PHRASES: Final = "no phrase of the training texts goes along with an outcome"
CODES: Final = "no text names the codes that it is labelled with"
LATER: Final = "no text holds a section written after the outcome"
TIMES: Final = "nothing that is read was written after the prediction"
BASES: Final = "no base model has read the held-out texts before"
_READ_OTHERS: Final = "read what was written before the outcome (`reads`), or drop the texts that tell it"
_STATED: Final = "the text was written when the label was known and may state it"
_APART: Final = "leave such training texts out (`near_copies`), or correct the split lists or the corpus"
REMEDIES: Final = {
    EXACT: _APART,
    CONTAINED: _APART,
    WORDING: _READ_OTHERS,
    TIMES: "choose notes that were there by then",
}
"""Rule that may fail → what helps; at any other the split lists or the corpus are wrong."""


def verdicts(
    patients: Sequence[Patients], copies: Sequence[Copies], examples: Sequence[Examples], bases: Sequence[Base]
) -> tuple[Verdict, ...]:
    """How each rule stands: a verdict for each place where it is broken, or one that it holds."""
    phrased, coded = any(texts.phrases for texts in examples), any(texts.codes is not None for texts in examples)
    return (
        *_of_rule(PATIENTS, _shared(patients)),
        *_of_rule(EXACT, (_exact(row) for row in copies if row.exact.some)),
        *_of_rule(CONTAINED, _contained(copies), measured=bool(copies)),
        *_of_rule(PARTS, _looks(_by_place(copies, "partly")), measured=bool(copies)),
        *_of_rule(WORDING, chain.from_iterable(map(_telling, examples)), measured=_worded(examples)),
        *_of_rule(PHRASES, _looks(_learnt(examples)), measured=phrased),
        *_of_rule(CODES, _looks(_named(examples)), measured=coded),
        *_of_rule(LATER, _looks(_later(examples))),
        *_of_rule(TIMES, _timed(examples)),
        *_of_rule(BASES, chain.from_iterable(map(_read, bases)), measured=bool(bases)),
    )


def _of_rule(law: str, broken: Iterable[tuple[Standing, str]], *, measured: bool = True) -> tuple[Verdict, ...]:
    """A verdict per place, or that the rule holds; none of what nobody has measured."""
    where = tuple(Verdict(standing, law, detail) for standing, detail in broken)
    return where or ((Verdict("pass", law, ""),) if measured else ())


def _looks(lines: Iterable[str]) -> Iterator[tuple[Standing, str]]:
    """Places that a person should look at."""
    return (("look", line) for line in lines)


def _shared(patients: Sequence[Patients]) -> Iterator[tuple[Standing, str]]:
    return (("fail", f"{row.both} {row.law}") for row in patients if row.both.some)


def _exact(row: Copies) -> tuple[Standing, str]:
    copied = f"{row.exact} {row.split} texts of {row.asked} are exact copies of training texts of {row.learnt}"
    long = f", {row.long_exact} of them and no short phrase" if row.long_exact.some else ", all of them short phrases"
    return ("fail" if row.long_exact.some else "look"), copied + long


def _contained(copies: Sequence[Copies]) -> Iterator[tuple[Standing, str]]:
    """A line per place that is learnt from; and where too many texts could not be judged."""
    yield from (("fail", line) for line in _by_place(copies, "contained"))
    unjudged = [row for row in copies if enough(row.unjudged.count) and (row.unjudged.share or 0.0) >= MANY]
    if unjudged:
        counts = "; ".join(f"{row.unjudged} {row.split} texts of {row.asked} in {row.learnt}" for row in unjudged)
        yield "look", f"too short, or too much boilerplate, to be judged but as exact copies: {counts}"


def _by_place(copies: Sequence[Copies], how: Literal["contained", "partly"]) -> Iterator[str]:
    for learnt in dict.fromkeys(row.learnt for row in copies):
        shares = [(row, getattr(row, how)) for row in copies if row.learnt == learnt]
        counts = "; ".join(f"{share} {row.split} texts of {row.asked}" for row, share in shares if share.some)
        if counts:
            yield f"of {counts} in training texts of {learnt}"


def _telling(texts: Examples) -> Iterator[tuple[Standing, str]]:
    """That a task's texts tell its answer; and its telling wordings, a line each per label, the splits in it."""
    if texts.answer_told:
        yield "fail", f"{texts.task}: {_STATED}, and was let in on purpose (allow_retrospective)"
    telling: dict[tuple[str, str], list[Wording]] = {}
    for row in texts.wordings or ():
        if row.telling:
            telling.setdefault((row.wording, row.label), []).append(row)
    for (name, label), rows in telling.items():
        meant = texts.times.kind == "as-given"  # whoever labels texts by a phrase asks for it
        standing: Standing = "fail" if any(row.answer for row in rows) and not meant else "look"
        yield standing, f"{texts.task}: {name!r} of {label!r}, {'; '.join(map(_times_as_often, rows))}"


def _learnt(examples: Sequence[Examples]) -> Iterator[str]:
    """Which phrases go along with an outcome; a person has to say whether they tell it or foretell it."""
    return (_phrases(texts.task, texts.phrases) for texts in examples if texts.phrases and texts.phrases.passed)


def _phrases(task: str, learnt: Phrases) -> str:
    first = "; ".join(f"{row.phrase!r} {row.present}, others {row.absent}" for row in learnt.shown[:NAMED])
    many = f"{learnt.passed:,} of {learnt.tested:,} phrases go along with {learnt.label!r}"
    return f"{task}: {many}: honest signs, or leaked labels{', first ' if first else ''}{first}"


def _worded(examples: Sequence[Examples]) -> bool:
    """Whether any task asks for an outcome, or has texts that state it."""
    return any(texts.wordings is not None or texts.answer_told for texts in examples)


def _times_as_often(row: Wording) -> str:
    if not row.absent.some:
        return f"{row.split} {row.present} and of no other"
    often = "far more often than" if row.ratio is None else f"{row.ratio:.1f} times as often as"
    return f"{row.split} {row.present} {often} of all others"


def _named(examples: Sequence[Examples]) -> Iterator[str]:
    """A line per task and split whose texts name codes."""
    for texts in examples:
        for row in texts.codes or ():
            if row.telling:
                yield f"{texts.task} {row.split}: {row.own}, by chance {row.by_chance}"


def _later(examples: Sequence[Examples]) -> Iterator[str]:
    """A line per task whose texts hold such a section."""
    for texts in examples:
        if texts.later:
            yield f"{texts.task}: " + "; ".join(f"{row.section}, {row.split} {row.texts}" for row in texts.later)


def _timed(examples: Sequence[Examples]) -> Iterator[tuple[Standing, str]]:
    """A line per reason, the tasks in it."""
    tasks: dict[tuple[Standing, str], list[str]] = {}
    for texts in examples:
        broken: tuple[Standing, str] | None = ("look", _STATED) if texts.answer_told else _late(texts.times)
        if broken:
            tasks.setdefault(broken, []).append(texts.task)
    for (standing, reason), names in tasks.items():
        yield standing, f"{', '.join(names)}: {reason}"


def _late(times: Times) -> tuple[Standing, str] | None:
    match times.kind:
        case "prospective" if times.late is not None and times.late.some:
            return "fail", f"{times.late} examples have a text of a later time than their prediction"
        case "prospective" if times.untimed.some:
            return "look", f"{times.untimed} examples keep no time of their text, so that only `prepare` has checked it"
        case "retrospective-text":
            return "look", "the text was written after the outcome, even if it tells what was known before"
        case "as-given":
            return "look", "when the text was written, only its owner knows"
        case _:
            return None


def _read(base: Base) -> Iterator[tuple[Standing, str]]:
    exposure = base.exposure.text + (f" ({base.exposure.source})" if base.exposure.source else "")
    if base.contaminated:
        yield "look", f"{base.name} was pretrained on {exposure}: its scores on the held-out splits are contaminated"
    elif base.contaminated is None:
        yield "look", f"{base.name}: what it has read of these texts is not known; it read: {exposure}"
