"""Sentences that affirm and deny: the same words for the same conditions, with the truth in the grammar around them.

    " Evaluation confirmed {ICH and seizure}, and excluded {PNA}."
      └─ clause, affirms ──────────────────┘└─ clause, denies ─┘

A clause is late when only its end tells which it is ("Initial concern for PNA or UTI, since excluded"): its facts
count as written there. A body counts its words as it grows, so that it knows after how many words each fact stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from chartune.made_up.conditions import Condition
from chartune.made_up.dice import Dice


@dataclass(frozen=True, slots=True)
class Clause:
    """One part of a sentence with room for a list of conditions."""

    affirms: bool
    before: str
    after: str
    late: bool
    words_before: int
    words_after: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A condition as written in a section: affirmed or denied, after how many of the section's words."""

    condition: int
    affirmed: bool
    words: int


@dataclass(slots=True)
class Body:
    """The text of a section without its heading; a line break is a break in the chart, too."""

    text: str = ""
    words: int = 0
    facts: list[Fact] = field(default_factory=list)
    opening: int = 0
    """Words of the first sentence of a present illness, which tells age, sex and earlier stays."""
    tells_death: bool = False
    """Whether the last sentence gives the death away."""

    def say(self, sentence: str, new_line: bool = False) -> None:
        """Append words that tell nothing about the conditions."""
        gap = "\n" if new_line else " "
        self.text = f"{self.text}{gap}{sentence}" if self.text else sentence
        self.words += len(sentence.split())

    def tell(self, clauses: Sequence[Clause], named: Sequence[Sequence[tuple[int, str]]], lead: str) -> None:
        """Append a sentence that affirms or denies conditions.

        Args:
            clauses: the parts of the sentence.
            named: for each clause the (index, form) of the conditions it names.
            lead: what stands before the sentence: a blank, or a line break with a bullet or number.
        """
        sentence = ""
        words = self.words + len(lead.split())
        for clause, items in zip(clauses, named, strict=True):
            words += clause.words_before
            listed, ends = enumerated([form for _, form in items], "and" if clause.affirms else "or")
            close = words + ends[-1] + clause.words_after
            self.facts.extend(
                Fact(index, clause.affirms, close if clause.late else words + end)
                for (index, _), end in zip(items, ends, strict=True)
            )
            words = close
            sentence += clause.before + listed + clause.after
        self.text += lead + sentence[0].upper() + sentence[1:]
        self.words = words


def enumerated(forms: Sequence[str], last: str) -> tuple[str, list[int]]:
    """`a, b or c`, and after how many words each item ends."""
    text, words, ends = "", 0, []
    for place, form in enumerate(forms):
        if place == 0:
            text = form
        elif place < len(forms) - 1:
            text += f", {form}"
        else:
            text += f" {last} {form}"
            words += 1
        words += form.count(" ") + 1
        ends.append(words)
    return text, ends


def clause(pattern: str, opens: bool = True) -> Clause:
    """Read a pattern: `+` affirms, `-` denies, `…` in second place makes it late, `{}` is the list.

    Args:
        pattern: such as `-…Initial concern for {}, since excluded.`
        opens: whether it opens the sentence; otherwise its first sign clings to the word before.
    """
    affirms, late = pattern[0] == "+", pattern[1] == "…"
    before, after = pattern[2 if late else 1 :].split("{}")
    glue = "x " if opens else "x"
    return Clause(affirms, before, after, late, len((glue + before).split()) - 1, len(("x" + after).split()) - 1)


def _alone(*patterns: str) -> tuple[tuple[Clause, ...], ...]:
    return tuple((clause(pattern),) for pattern in patterns)


def _pairs(*patterns: str) -> tuple[tuple[Clause, ...], ...]:
    return tuple(
        (clause(first), clause(second, opens=False)) for first, second in (pattern.split(" | ") for pattern in patterns)
    )


@dataclass(frozen=True)
class Grammar:
    """How a section affirms, denies, and does both in one sentence."""

    affirming: tuple[tuple[Clause, ...], ...]
    denying: tuple[tuple[Clause, ...], ...]
    mixed: tuple[tuple[Clause, ...], ...]


# fmt: off
GRAMMARS: Final = {
    "illness": Grammar(
        _alone("+Found to have {}.", "+Noted to have {}.", "+Course complicated by {}.", "+Workup showed {}.",
               "+Transferred for management of {}.", "+Imaging and labs consistent with {}.", "+Admitted with {}.",
               "+…Initial concern for {}, since confirmed.", "+…{} confirmed on arrival.",
               "+…Evaluated for {}, which was found."),
        _alone("-No evidence of {}.", "-Without {}.", "-Workup showed no {}.", "-Denies {}.", "-Course without {}.",
               "-Imaging and labs not consistent with {}.", "-Negative for {}.",
               "-…Initial concern for {}, since excluded.", "-…{} ruled out on arrival.",
               "-…Evaluated for {}, which was not found."),
        _pairs("+Found to have {} | -, but no {}.", "-No {} | +, but found to have {}.",
               "+Workup confirmed {} | - and excluded {}.", "-Workup excluded {} | + and confirmed {}.",
               "+Presented with {} | - without {}."),
    ),
    "history": Grammar(
        _alone("+Significant for {}.", "+History of {}.", "+Known {}.", "+H/o {}.", "+…{} diagnosed years ago.",
               "+Carries a diagnosis of {}."),
        _alone("-No history of {}.", "-Denies {}.", "-No known {}.", "-Never had {}.", "-…{} denied.",
               "-Does not carry a diagnosis of {}."),
        _pairs("+Significant for {} | -, not for {}.", "+Has {} | - but no {}.", "-Never had {} | +, though has {}.",
               "-No {} | +; does have {}."),
    ),
    "exam": Grammar(
        _alone("+Notable for {}.", "+With {}.", "+Exam shows {}.", "+…{} seen.", "+…{} present."),
        _alone("-No {}.", "-Without {}.", "-Exam shows no {}.", "-…{} not seen.", "-…{} absent."),
        _pairs("+Notable for {} | -, without {}.", "-No {} | +, but {}."),
    ),
}
"""Affirming and denying patterns share their words, so that neither words nor word pairs tell them well apart."""
# fmt: on


def draw_facts(dice: Dice, conditions: Sequence[Condition], present: Sequence[bool], where: str) -> list[Fact]:
    """What a section will affirm and deny, before it has words."""
    facts = []
    for index, condition in enumerate(conditions):
        if condition.where == where:
            has = present[index]
            if dice.chance(condition.affirmed if has else condition.denied):
                facts.append(Fact(index, has, 0))
    return facts


def write_facts(
    dice: Dice, body: Body, conditions: Sequence[Condition], facts: Sequence[Fact], grammar: Grammar
) -> None:
    """Put facts into sentences of one to four conditions, in random order."""
    order = dice.shuffled(facts)
    named = {sign: [(f.condition, dice.pick(conditions[f.condition].forms)) for f in order if f.affirmed is sign]
             for sign in (True, False)}  # fmt: skip
    sentences: list[tuple[tuple[Clause, ...], list[list[tuple[int, str]]]]] = []
    if named[True] and named[False] and dice.chance(0.5):
        parts = dice.pick(grammar.mixed)
        sentences.append((parts, [_take(named[part.affirms], dice.between(1, 3)) for part in parts]))
    for sign, patterns in ((True, grammar.affirming), (False, grammar.denying)):
        while named[sign]:
            sentences.append((dice.pick(patterns), [_take(named[sign], dice.between(1, 4))]))
    bulleted = dice.chance(0.3) and bool(body.text)
    for parts, items in dice.shuffled(sentences):
        body.tell(parts, items, ("\n- " if bulleted else " ") if body.text else "")


def _take(named: list[tuple[int, str]], count: int) -> list[tuple[int, str]]:
    taken = named[:count]
    del named[:count]
    return taken
