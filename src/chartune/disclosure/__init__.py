"""What may be shown of counts of real patients: one rule for consoles, reports, cards and exports.

    7 ─▶ <10     34 ─▶ 30+     1,237 ─▶ 1,230+     0 ─▶ 0      a class of ten, the same wherever that count is printed

The rule. Of every count of people, and of the rows and texts that they have, only its class of ten is shown. Rates are
worked out of classes, or given in so few digits that every count of the class could stand behind them; where fewer than
ten people bear a rate, it is not shown. A sum over texts, as their words, is that of the middle of the class of their
number; where this is not at hand, as for tokens and steps of training, its first digit is given. So a page never
discloses more than the classes do, however it is added up: small cells are hidden (primary suppression), and what is
subtracted from them is blurred (complementary).

Why ten-wide classes that begin at multiples of ten: let a sum be printed beside its parts. From above a part is bounded
by a number that ends in 9, less one for every other part from 1 to 9: never by 1, unless eight others are such; from
below it reaches 9 only if a multiple of ten of parts all end in 9. Parts of one whole are therefore printed up to
eight, else in classes of twenty that do not reveal an empty one, where neither can happen. Cells of a cross table,
which are parts of two wholes, are in classes of twenty, too. A filter of a
flow has no printed count of its own: who was left out is the difference of what was printed.

The exact figures are for the analyst, who asks for them (`--exact-counts`) and gets them marked "do not release".
Fictional patients need no protection.
"""

from chartune.disclosure.counts import (
    EXPLAINED,
    SMALL,
    WIDE,
    Sourced,
    amount,
    amount_shown,
    crossed,
    is_made_up,
    lowest,
    part_of_whole,
    shown,
    typical,
)
from chartune.disclosure.figures import EXACT, RELEASE, ROUNDED, figures, released
from chartune.disclosure.rates import TOO_FEW, digits, magnitude, percent, quartiles, share
from chartune.disclosure.scores import Behind, behind, fewest
from chartune.disclosure.words import shown_sentence

__all__ = [
    "EXACT", "EXPLAINED", "RELEASE", "ROUNDED", "SMALL", "TOO_FEW", "WIDE", "Behind", "Sourced", "amount",
    "amount_shown", "behind", "crossed", "digits", "fewest", "figures", "is_made_up", "lowest", "magnitude",
    "part_of_whole", "percent", "quartiles", "released", "share", "shown", "shown_sentence", "typical",
]  # fmt: skip
