"""TF-IDF of many labels: chartune's stage on made-up texts beside liblinear's primal solver, label by label.

    OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=1 python benchmarks/term_weights.py [texts] [labels]

Of one's own 10,000 texts with 1,266 labels: phrases of a Zipf vocabulary, log-normal lengths of about 250 words, labels
as frequent as diagnoses are with words that go along with them; a fifth as many are held out for validation, and for
test. liblinear fits 100 labels with each penalty; times the labels, and all penalties together, that is what the stage
took before. The line of the penalty that was chosen says how far both are apart.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from chartune.metrics.areas import areas
from chartune.sources.tabular import Tabular
from chartune.stages.regressions import spread
from chartune.stages.stage import Work
from chartune.stages.table import TaskTable
from chartune.stages.term_weights import term_frequencies
from chartune.stages.tfidf import Tfidf, _fit
from chartune.store import Store
from chartune.tasks.labels import LabelSpace
from chartune.tasks.prepare import Preparation
from chartune.train.meter import PeakMemory

WORDS, PHRASES, COMPARED = 30000, 20000, 100


def zipf(size: int, exponent: float) -> NDArray[np.float64]:
    """Probabilities of so many ranks."""
    weights = np.arange(1, size + 1) ** -exponent
    return np.asarray(weights / weights.sum())


def texts_of(truth: NDArray[np.bool_], rng: np.random.Generator) -> list[str]:
    """A text for each row of labels, [n, L]."""
    drawn, sizes = rng.choice(WORDS, (PHRASES, 4), p=zipf(WORDS, 1.05)), rng.integers(1, 5, PHRASES)
    phrases = np.asarray([" ".join(f"w{word}" for word in row[:size]) for row, size in zip(drawn, sizes, strict=True)])
    along, frequent, texts = rng.integers(200, WORDS, (truth.shape[1], 6)), zipf(PHRASES, 0.9), []
    for row in truth:
        said = list(rng.choice(phrases, max(8, int(rng.lognormal(np.log(80), 0.5))), p=frequent))
        for label in np.flatnonzero(row):
            said += [f"w{word}" for word in rng.choice(along[label], 2)] if rng.random() < 0.8 else []
        texts.append(" ".join(rng.permutation(said)))
    return texts


def table_of(count: int, labels: int) -> TaskTable:
    """Training texts, and a fifth as many for validation and for test."""
    rng, held = np.random.default_rng(0), count // 5
    frequent = np.clip(11 / np.arange(1, labels + 1) / np.log(labels + 1), 12 / count, 0.45)
    truth = rng.random((count + 2 * held, labels)) < frequent
    rows = pl.DataFrame(
        {"hadm_id": range(len(truth)), "subject_id": rng.integers(0, count, len(truth)),
         "split": ["train"] * count + ["validation"] * held + ["test"] * held, "text": texts_of(truth, rng),
         "label": [np.flatnonzero(row).astype(np.int32).tolist() for row in truth]},
        schema_overrides={"label": pl.List(pl.Int32)},
    )  # fmt: skip
    names = tuple(map(str, range(labels)))
    return TaskTable(rows, "made-up", LabelSpace("multilabel", names, names))


def processor() -> float:
    """Seconds that this process and those that it has started have taken."""
    every = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in every)


def of_liblinear(table: TaskTable, strength: float) -> NDArray[np.float64]:
    """AUROC on the test split of some labels, [L], NaN of others; the seconds that all would take are printed."""
    texts = {split: table.frame.filter(split=split)["text"].to_list() for split in ("train", "test")}
    labels, asked = table.labels("train") > 0, table.labels("test") > 0
    vectorizer, some = term_frequencies(2, 3), spread(table.cases("train"), COMPARED)
    train, test = vectorizer.fit_transform(texts["train"]), vectorizer.transform(texts["test"])
    begun, odds = time.process_time(), np.zeros((test.shape[0], len(some)))
    for column, label in enumerate(some):
        solver = LogisticRegression(C=strength, solver="liblinear", max_iter=2000)
        odds[:, column] = solver.fit(train, labels[:, label]).decision_function(test)
    seconds = (time.process_time() - begun) * labels.shape[1] / len(some)
    print(f"liblinear, C={strength:<6} {seconds:6.0f} s processor for all labels", flush=True)
    auroc = np.full(labels.shape[1], np.nan)
    auroc[some] = areas(asked[:, some], odds)[0]
    return auroc


def of_chartune(table: TaskTable, stage: Tfidf, folder: Path) -> NDArray[np.float64]:
    """AUROC on the test split of every label, [L]; time and memory are printed."""
    begun, clock = processor(), time.perf_counter()
    with PeakMemory() as memory:
        _fit(stage, table, Work(Store(folder), folder, "0" * 16))
    seconds, wall = processor() - begun, time.perf_counter() - clock
    others = sum(child.memory_info().rss for child in psutil.Process().children(recursive=True))
    weights = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    print(
        f"chartune           {seconds:6.0f} s processor, {wall:.0f} s wall, scores with intervals among them",
        flush=True,
    )
    print(f"memory {(memory.bytes or 0) >> 20} MiB, other processes {others >> 20} MiB; weights {weights >> 20} MiB")
    rows = pl.read_parquet(folder / "predictions.parquet").filter(split="test")
    return areas(table.labels("test") > 0, rows["logits"].explode().to_numpy().reshape(rows.height, -1))[0]


def main() -> None:
    """Measure and print."""
    count, labels = (int(given) for given in (sys.argv[1:] + [10000, 1266][len(sys.argv) - 1 :]))
    table, stage = table_of(count, labels), Tfidf(data=Preparation(source=Tabular(file=Path("none"))))
    with tempfile.TemporaryDirectory() as folder:
        own = of_chartune(table, stage, Path(folder))
    for strength in stage.strengths:
        theirs = of_liblinear(table, strength)
        both = np.isfinite(own) & np.isfinite(theirs)
        apart, means = np.abs(own - theirs)[both].max(), (own[both].mean(), theirs[both].mean())
        print(f"  of {both.sum()} labels AUROC {means[0]:.5f} and {means[1]:.5f} on average, {apart:.5f} apart at most")


if __name__ == "__main__":
    main()
