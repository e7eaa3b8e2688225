"""An IA3 that stock peft trained, read as a layer of a stack."""

from typing import Final

from chartune.adapters.ia3 import IA3
from chartune.adapters.method import ROOT
from chartune.adapters.stock import PREFIX, Stock, headless_name, must_be_known, refuse_head
from chartune.errors import AdapterError

WHAT: Final = ("IA3 vectors", "ia3_l tensors")
READ: Final = frozenset(
    {"target_modules", "feedforward_modules", "exclude_modules", "fan_in_fan_out", "init_ia3_weights"}
)
"""Fields that only said which matrices got a vector; the file itself shows that, and on which side."""
VECTOR: Final = ".ia3_l"


def foreign_ia3(stock: Stock) -> IA3:
    """The matrices that an IA3 of stock peft rescales: a vector [d_out, 1] their output, [1, d_in] their input.

    Raises:
        AdapterError: it holds something else, or is damaged.
    """
    if stock.config.get("modules_to_save"):
        refuse_head(", ".join(map(str, stock.config["modules_to_save"])), stock.folder, *WHAT)
    must_be_known(stock, READ, {}, "a plain IA3")
    headed = any(PREFIX.match(name.removeprefix(ROOT)) for name in stock.headers)
    for name in stock.headers:
        inner = name.removeprefix(ROOT)
        if not inner.endswith(VECTOR) or (headed and not PREFIX.match(inner)):
            refuse_head(inner.partition(".")[0], stock.folder, *WHAT)
    sides: dict[bool, list[str]] = {True: [], False: []}
    for name, header in stock.headers.items():
        if matrix := headless_name(name).removeprefix(ROOT).removesuffix(VECTOR):
            sides[tuple(header.shape[:1]) == (1,)].append(matrix)
    if not any(sides.values()):
        raise AdapterError(f"an IA3 must rescale at least one matrix, but {stock.folder} does none; train it again.")
    return IA3.parse({"outputs": tuple(sorted(sides[False])), "inputs": tuple(sorted(sides[True]))}, stock.place)
