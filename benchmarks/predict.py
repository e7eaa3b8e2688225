"""`chartune predict` beside evaluation's own reading: rate, memory, and the same bytes after a kill.

    notes of 200 words ─┬─ what the verb does: read, check, score, write     CPU and wall seconds
                        ├─ encode and logits_of, as evaluation reads         CPU and wall seconds
                        └─ the verb in a process of its own                  peak memory, kill, resume
    made-up hospitals ──── the verb in a process of its own                  peak memory

python benchmarks/predict.py [--notes 10000] [--rounds 3] [--memory 10000,100000] [--runs words,short] [--tokens 32]
                             [--chunk 4096] [--patients 1500,15000] [--only rate,memory,folder,resume]

The model is MiniLM with a LoRA adapter, fine-tuned on the spot, if its package is installed. Rates are of `notes`, in
rounds in which both ways take turns; ratios are medians of those of single rounds. Peak memory is that of two tables,
by TF-IDF and by a run that reads but a few tokens of each note, since memory hangs on texts and not on what is read of
them; and of two folders of a hospital, by TF-IDF. CPU seconds count, since a machine is seldom idle.
"""

import argparse
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from chartune.batches.collate import Examples
from chartune.batches.tokenize import encode
from chartune.made_up import make_hospital
from chartune.models.tokenizer import padding_of
from chartune.prediction.columns import table_texts
from chartune.prediction.files import write_predictions_of
from chartune.prediction.predictions import logits_of
from chartune.prediction.rows import Choices
from chartune.prediction.texts import CHUNK, checked
from chartune.runs.ledger import find_run
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.loading import Loaded, load
from chartune.stages.tfidf import Tfidf, tfidf
from chartune.store import Store

WORDS: Final = 200
"""Of a note."""
LEAST_RATE: Final = 0.9
MOST_MEMORY: Final = 1.1
CHILD: Final = """
import sys
from chartune.prediction import charts, files, texts
files.CHUNK = texts.CHUNK = charts.CHUNK = int(sys.argv.pop(1))
from chartune.cli import main
from chartune.testing.peak import peak_bytes
try:
    main()
finally:
    print("peak", peak_bytes(), file=sys.stderr)
"""
"""The command line, with chunks of so many rows."""


def main() -> None:
    """Print the ratios and whether the limits hold."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        store, only = trained(place, {"whole": 256, "short": asked.tokens}), asked.only.split(",")
        notes = written(place / f"{asked.notes}.csv", asked.notes)
        if "rate" in only:
            rate(store, notes, asked.notes, asked.rounds)
        if "memory" in only:
            tables = [written(place / f"{count}.csv", int(count)) for count in asked.memory.split(",")]
            for run in asked.runs.split(","):
                memory(store, run, tables, asked.chunk)
        if "folder" in only:
            memory(store, "charts", hospitals(place, store, asked.patients.split(",")), asked.chunk)
        if "resume" in only:
            resumed(store, notes, asked.chunk)


def arguments() -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--notes", type=int, default=10_000, help="notes whose rate is measured")
    parser.add_argument("--rounds", type=int, default=3, help="in which both ways take turns")
    parser.add_argument("--memory", default="10000,100000", help="notes of the small and of the large table")
    parser.add_argument("--runs", default="words,short", help="which score them: TF-IDF, and a model on few tokens")
    parser.add_argument("--tokens", type=int, default=32, help="that are read of a note where memory is measured")
    parser.add_argument("--chunk", type=int, default=CHUNK, help="rows that are scored together, but for the rate")
    parser.add_argument("--patients", default="1500,15000", help="of the small and of the large hospital")
    parser.add_argument("--only", default="rate,memory,folder,resume", help="which parts")
    return parser.parse_args()


@dataclass(frozen=True)
class Took:
    """What a piece of work took."""

    cpu: float
    wall: float


def rate(store: Store, file: Path, notes: int, rounds: int) -> None:
    """How fast the verb's work is beside evaluation, in one process; which comes first alternates."""
    scorer = load(find_run(store, "whole"), store)
    if not isinstance(scorer, Loaded):
        raise AssertionError("a fine-tuned run has a model")
    texts = pl.read_csv(file)["text"].to_list()
    ways: dict[str, Callable[[], object]] = {
        "predict": lambda: scored(scorer, store, file), "evaluation": lambda: read(scorer, texts)
    }  # fmt: skip
    read(scorer, texts[:32])
    took: dict[str, list[Took]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in list(ways)[:: 1 if number % 2 else -1]:
            took[way].append(timed(ways[way]))
            print(f"round {number + 1} {way:10} {notes / took[way][-1].cpu:8.1f} notes/CPU s "
                  f"{notes / took[way][-1].wall:8.1f} notes/s", flush=True)  # fmt: skip
    pairs = list(zip(took["evaluation"], took["predict"], strict=True))
    by_cpu, by_wall = (statistics.median(getattr(one, of) / getattr(other, of) for one, other in pairs)
                       for of in ("cpu", "wall"))  # fmt: skip
    print(f"rate {by_cpu:.3f} of evaluation's by CPU time, {by_wall:.3f} by the clock, allowed {LEAST_RATE}: "
          f"{'holds' if by_cpu >= LEAST_RATE else 'BROKEN'}", flush=True)  # fmt: skip


def timed(work: Callable[[], object]) -> Took:
    """Do it once."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Took(time.process_time() - cpu, time.perf_counter() - wall)


def scored(scorer: Loaded, store: Store, file: Path) -> None:
    """What the verb does: read, check, score and write a file."""
    notes = table_texts(file, {})
    write_predictions_of(scorer, notes, checked(notes), file.with_name("scored.csv"), store, Choices())


def read(scorer: Loaded, texts: list[str]) -> None:
    """What evaluation does with these texts."""
    nothing, ones = np.zeros(len(texts), dtype=np.int64), np.ones(len(texts), dtype=np.float32)
    encoded = encode(texts, scorer.tokenizer, scorer.max_seq_len)
    logits_of(scorer.model, Examples(encoded, nothing, ones, padding_of(scorer.tokenizer)), scorer.resolved)


def hospitals(place: Path, store: Store, patients: Sequence[str]) -> list[Path]:
    """Made-up hospitals of so many patients, and a TF-IDF run on the first."""
    folders = [place / f"{count} patients" for count in patients]
    for folder, count in zip(folders, patients, strict=True):
        make_hospital(folder, subjects=int(count), seed=1, events=False)
    data = {"source": {"kind": "mimic3", "folder": str(folders[0])}, "tasks": [{"kind": "mortality"}], "corpus": None}
    tfidf(Tfidf.parse({"data": data, "name": "charts"}), store)
    return folders


def memory(store: Store, run: str, inputs: Sequence[Path], chunk: int) -> None:
    """Peak memory on a small and on a large input."""
    small, large = inputs
    few, many = (predicted(store, run, file, chunk) for file in inputs)
    holds = "holds" if many <= MOST_MEMORY * few else "BROKEN"
    print(f"memory of {run}: {few:,.0f} MiB at {small.stem}, {many:,.0f} MiB at {large.stem}: {many / few:.3f}, "
          f"allowed {MOST_MEMORY}: {holds}", flush=True)  # fmt: skip


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
    return int(peak.split()[1]) / 2**20


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
    tfidf(
        Tfidf.parse({"data": {"source": {"kind": "tabular", "file": str(place / "own.csv")}}, "name": "words"}), store
    )
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
