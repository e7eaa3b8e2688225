"""`chartune serve` and the bank behind it: what mixing, HTTP and overload cost, beside a stock service.

    a  a mixed batch of 5 tasks against 1, and 20 against 5            d  what batch mates change; equal to predict
    b  HTTP over the bare engine                                       e  notes a second beside FastAPI + peft
    c  three times the capacity: latency, refusals, memory             f  memory after a thousand loads and evictions
    g  bf16 by switch: rate beside fp32, and what it changes

python benchmarks/serve.py [--part abcdefg] [--rounds 15] [--seconds 20] [--notes 160] [--bases minilm,smollm2]
                           [--cycles 1000] [--folder KEPT]

Runs are fine-tuned on the spot, two steps each. Ways take turns, and ratios are medians of those of single rounds;
CPU seconds stand beside the clock's, since a machine is seldom idle. One thread: OMP_NUM_THREADS=1.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; children have it, too
os.environ.setdefault("CHARTUNE_BASELINE", "0")

from chartune.store import Store
from serving.beside_stock import beside_stock
from serving.engine import batch_mates, cycles, mixing
from serving.in_bf16 import in_bf16
from serving.made import trained
from serving.over_http import overhead, overload
from serving.shown import Row, show


def main() -> None:
    """Print one table."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder:
        place = asked.folder or Path(folder)
        store = Store(place / "store").open()
        first, *others = asked.bases.split(",")
        runs = trained(store, place, first)

        def beside() -> list[Row]:
            rows = beside_stock(store, place, first, runs, asked.notes, max(3, asked.rounds // 5))
            for base in others:
                rows += beside_stock(store, place, base, trained(store, place, base), asked.notes // 4, 3)
            return rows

        parts: dict[str, Callable[[], list[Row]]] = {
            "a": lambda: mixing(store, runs, asked.rounds),
            "b": lambda: overhead(store, runs, 20 * asked.rounds),
            "c": lambda: overload(store, runs, asked.seconds),
            "d": lambda: batch_mates(store, runs, asked.rounds),
            "e": beside,
            "f": lambda: cycles(store, runs, asked.cycles),
            "g": lambda: in_bf16(store, runs, asked.rounds),
        }
        show([row for part in parts if part in asked.part for row in parts[part]()])


def arguments() -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", default="abcdefg", help="which parts")
    parser.add_argument("--rounds", type=int, default=15, help="in which ways take turns")
    parser.add_argument("--seconds", type=float, default=20, help="of overload")
    parser.add_argument("--notes", type=int, default=160, help="beside the stock service; of further bases a quarter")
    parser.add_argument("--bases", default="minilm,smollm2", help="the first for all parts, all of them for e")
    parser.add_argument("--folder", type=Path, help="keeps what was trained, for the next time")
    parser.add_argument("--cycles", type=int, default=1000, help="of loading and evicting")
    return parser.parse_args()


if __name__ == "__main__":
    main()
