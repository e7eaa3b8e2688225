"""`chartune predict` beside evaluation's own reading: rate, memory, and the same bytes after a kill.

    notes of 200 words ─┬─ what the verb does: read, check, score, write   CPU seconds
                        ├─ encode and logits_of, as evaluation reads       CPU seconds
                        └─ the verb in a process of its own                peak memory, kill, resume

python benchmarks/predict.py [notes] [notes for memory] [tokens for memory] [rows of a chunk]

The model is MiniLM with a LoRA adapter, fine-tuned on the spot, if its package is installed. The rate is measured on
`notes` (10,000); peak memory on these and on `notes for memory` (100,000), with a run that reads but a few tokens of
each (32), since memory hangs on texts and not on what is read of them. Which way comes first alternates. CPU seconds,
since a machine is seldom idle.
"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from chartune.batches.collate import Examples
from chartune.batches.tokenize import encode
from chartune.models.tokenizer import padding_of
from chartune.prediction.columns import table_texts
from chartune.prediction.files import write_predictions_of
from chartune.prediction.predictions import logits_of
from chartune.prediction.rows import Choices
from chartune.prediction.texts import CHUNK, checked
from chartune.runs.ledger import find_run
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.loading import Loaded, load
from chartune.store import Store

WORDS: Final = 200
"""Of a note."""
LEAST_RATE: Final = 0.9
MOST_MEMORY: Final = 1.1
CHILD: Final = """
import resource, sys
from chartune.prediction import charts, files, texts
files.CHUNK = texts.CHUNK = charts.CHUNK = int(sys.argv.pop(1))
from chartune.cli import main
try:
    main()
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""
"""The command line, with chunks of so many rows."""


def main() -> None:
    """Print the ratios and whether the limits hold."""
    given = [int(word) for word in sys.argv[1:]]
    notes, more, tokens, chunk = [*given, *(10_000, 100_000, 32, CHUNK)[len(given) :]]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        store = trained(place, {"whole": 256, "short": tokens})
        small, large = (written(place / f"{count}.csv", count) for count in (notes, more))
        rate(store, small, notes)
        memory(store, small, large, chunk)
        resumed(store, small, chunk)


def rate(store: Store, file: Path, notes: int) -> None:
    """How fast the verb's work is beside evaluation, in one process, both ways once in either order."""
    scorer = load(find_run(store, "whole"), store)
    if not isinstance(scorer, Loaded):
        raise AssertionError("a fine-tuned run has a model")
    texts, ratios = pl.read_csv(file)["text"].to_list(), []
    read(scorer, texts[:32])
    for verb_first in (True, False):
        verb = scored(scorer, store, file) if verb_first else 0.0
        reading = read(scorer, texts)
        verb = verb or scored(scorer, store, file)
        ratios.append(reading / verb)
        print(f"predict {notes / verb:8.1f} notes/s, evaluation {notes / reading:8.1f}", flush=True)
    least = float(np.mean(ratios))
    print(f"rate {least:.3f} of evaluation's, allowed {LEAST_RATE}: {'holds' if least >= LEAST_RATE else 'BROKEN'}")


def scored(scorer: Loaded, store: Store, file: Path) -> float:
    """CPU seconds in which the verb reads, checks, scores and writes a file."""
    before = time.process_time()
    notes = table_texts(file, {})
    write_predictions_of(scorer, notes, checked(notes), file.with_name("scored.csv"), store, Choices())
    return time.process_time() - before


def read(scorer: Loaded, texts: list[str]) -> float:
    """CPU seconds in which evaluation reads these texts."""
    before = time.process_time()
    nothing, ones = np.zeros(len(texts), dtype=np.int64), np.ones(len(texts), dtype=np.float32)
    encoded = encode(texts, scorer.tokenizer, scorer.max_seq_len)
    logits_of(scorer.model, Examples(encoded, nothing, ones, padding_of(scorer.tokenizer)), scorer.resolved.precision)
    return time.process_time() - before


def memory(store: Store, small: Path, large: Path, chunk: int) -> None:
    """Peak memory on a small and on a large file."""
    few, many = (predicted(store, "short", file, chunk) for file in (small, large))
    holds = "holds" if many <= MOST_MEMORY * few else "BROKEN"
    print(f"memory {few:,.0f} MiB of {small.stem} notes, {many:,.0f} MiB of {large.stem}: {many / few:.3f}, allowed "
          f"{MOST_MEMORY}: {holds}", flush=True)  # fmt: skip


def resumed(store: Store, file: Path, chunk: int) -> None:
    """Kill the verb when it has scored a chunk, give it again, and compare."""
    whole, out = file.with_name("whole.csv"), file.with_name("killed.csv")
    predicted(store, "short", file, chunk, whole)
    with started(store, "short", file, chunk, out) as process:
        while not any(store.root.glob("predictions/*.partial/*.parquet")) and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    killed = not out.exists()
    predicted(store, "short", file, chunk, out)
    same = "the same bytes" if out.read_bytes() == whole.read_bytes() else "OTHER BYTES"
    print(f"killed {'midway' if killed else 'TOO LATE'} and given again: {same}")


def predicted(store: Store, run: str, file: Path, chunk: int, out: Path | None = None) -> float:
    """Give the verb in a process of its own; the most MiB that were resident, libraries included."""
    with started(store, run, file, chunk, out or file.with_name("out.csv")) as process:
        said = process.communicate()[1]
    if process.returncode:
        raise SystemExit(said)
    peak = next(line for line in reversed(said.splitlines()) if line.startswith("peak"))
    return int(peak.split()[1]) / 1024


def started(store: Store, run: str, file: Path, chunk: int, out: Path) -> "subprocess.Popen[str]":
    """The verb, under way."""
    words = [str(chunk), "predict", run, str(file), "--out", str(out), "--store", str(store.root)]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *words], text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def trained(place: Path, lengths: dict[str, int]) -> Store:
    """A store with a run of each name, that reads so many tokens."""
    store, chance = Store(place / "store").open(), np.random.default_rng(0)
    rows = [(number, text(chance), ("no", "yes")[number % 2]) for number in range(120)]
    pl.DataFrame(rows, schema=["subject_id", "text", "label"], orient="row").write_csv(place / "own.csv")
    for name, tokens in lengths.items():
        finetune(Finetune.parse({
            "data": {"source": {"kind": "tabular", "file": str(place / "own.csv")}}, "backbone": {"name": "minilm"},
            "stack": {"layers": [{"kind": "fresh"}]}, "max_seq_len": tokens, "name": name,
            "optimisation": {"duration": {"value": 1, "unit": "steps"}},
        }), store)  # fmt: skip
    return store


def written(file: Path, notes: int) -> Path:
    """A table of so many notes, written in pieces."""
    chance = np.random.default_rng(1)
    with file.open("w", encoding="utf-8") as handle:
        handle.write("id,text\n")
        handle.writelines(f"{number},{text(chance)}\n" for number in range(notes))
    return file


VOCABULARY: Final = tuple(
    f"{head}{tail}" for head in ("card", "pneumo", "neuro", "gastr", "hepat", "nephr", "derm", "oste")
    for tail in ("itis", "ology", "al pain", "ic shock", "opathy", "ectomy", "osis", "ia")
)  # fmt: skip


def text(chance: np.random.Generator) -> str:
    """200 words."""
    return " ".join(" ".join(chance.choice(VOCABULARY, WORDS)).split()[:WORDS])


if __name__ == "__main__":
    main()
