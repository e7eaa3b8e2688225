"""What TF-IDF would take: it has no base model, so that its time is that of its regressions and of their intervals.

Its two constants stem from one run on one machine (benchmarks/term_weights.py: 10,000 texts of 250 words, 1,266 labels,
on processors of 2026); how far other texts and penalties are off was not measured.
"""

from typing import Final

import polars as pl
import torch

from chartune.disclosure import amount, is_made_up, typical
from chartune.planning.prepared import prepared
from chartune.planning.requirements import SETUP_SECONDS
from chartune.stages.regressions import processes_for
from chartune.stages.tfidf import SAMPLE, Tfidf
from chartune.store import Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import read_task, task_named

FITTING: Final = 1.8e-8
"""Processor seconds for each byte of the training texts and each regression that is fitted to them."""
SCORING: Final = 2.5e-6
"""Processor seconds for each held-out row and label: scores with intervals of 1,000 draws."""


def seconds_of_terms(stage: Tfidf, store: Store) -> float | None:
    """Seconds of the whole stage, on the processes that would work; None: the data are not prepared.

    Raises:
        DataError: they are, but without the task.
    """
    data = prepared(stage.data, store)
    if data is None:
        return None
    dataset = read_dataset(data)
    name, exact = task_named(dataset.tasks, stage.task), is_made_up(dataset.source)
    form, labels = dataset.tasks[name].form, len(dataset.tasks[name].labels)
    sizes = read_task(data, name).group_by("split").agg(pl.len(), bytes=pl.col("text").str.len_bytes().sum())
    texts = {split: (rows, size) for split, rows, size in sizes.iter_rows()}
    count, size = texts.get("train", (0, 0))
    regressions = form.regressions(labels)
    fits = regressions + (len(stage.strengths) * min(regressions, SAMPLE) if len(stage.strengths) > 1 else 0)
    at_once = processes_for(count * regressions, torch.get_num_threads()) if form.several else 1
    scored = sum(typical(texts.get(split, (0, 0))[0], exact) for split in stage.scored)
    fitting = FITTING * fits * amount(size, count, exact) / at_once
    return SETUP_SECONDS + fitting + SCORING * scored * form.outputs(labels)
