"""Picture: curves in plain characters, for any terminal and any log.

0.71 |**
     |  ****
0.42 |      *********
     +---------------
      training loss from 1 to 40 optimizer steps, last 0.42
"""

from collections.abc import Sequence

WIDTH = 64
HEIGHT = 8
MARGIN = 10
"""Characters for the numbers at the left."""


def drawn(title: str, places: Sequence[float], values: Sequence[float]) -> list[str]:
    """A curve in lines; several values of one column are averaged.

    Args:
        title: said below it.
        places: where the values were measured, rising, [N]; N > 0.
        values: finite, [N].
    """
    low, high, first, span = min(values), max(values), places[0], max(places[-1] - places[0], 1e-12)
    columns: dict[int, list[float]] = {}
    for place, value in zip(places, values, strict=True):
        columns.setdefault(round((WIDTH - 1) * (place - first) / span), []).append(value)
    rows = [[" "] * WIDTH for _ in range(HEIGHT)]
    for column, within in columns.items():
        share = (high - sum(within) / len(within)) / (high - low) if high > low else 0.5
        rows[round((HEIGHT - 1) * min(1.0, max(0.0, share)))][column] = "*"
    labels = {0: f"{high:.4g}", HEIGHT - 1: f"{low:.4g}"} if high > low else {HEIGHT // 2: f"{high:.4g}"}
    lines = [f"{labels.get(n, ''):>{MARGIN}} |{''.join(row)}".rstrip() for n, row in enumerate(rows)]
    return [*lines, f"{'':>{MARGIN}} +{'-' * WIDTH}", f"{'':>{MARGIN}}  {title}"]


def bar(share: float, width: int = 28) -> str:
    """A share as `[=======     ]`."""
    full = round(width * min(1.0, max(0.0, share)))
    return f"[{'=' * full}{' ' * (width - full)}]"
