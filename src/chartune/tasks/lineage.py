"""Lineage: what else than the source's tables has determined prepared data, and under which terms.

labels.csv · train.csv, validation.csv, test.csv · data that the corpus must not hold ─▶ file · sha256 · licence, each
"""

from collections.abc import Iterator, Sequence

from chartune.sources.catalog import AnySplit
from chartune.sources.facts import content_hash
from chartune.sources.splits import ImportedSplit
from chartune.store import Store
from chartune.tasks.corpus import Corpus
from chartune.tasks.dataset import read_dataset
from chartune.tasks.external import External
from chartune.tasks.making_corpus import against
from chartune.tasks.prepared import SHELF
from chartune.tasks.task import Task

UNKNOWN = "unknown"
"""The licence of what nobody has said anything of."""


def inputs(tasks: Sequence[Task], splits: AnySplit, corpus: Corpus | None, store: Store) -> list[dict[str, str]]:
    """A row per file or dataset, each once: `file` (its name only), `sha256`, `licence`.

    A folder of shards is one row, with a hash over theirs; prepared data are `data/<fingerprint>`, with the licence of
    their source.

    Raises:
        SchemaError: a file is gone.
        DataError: prepared data are gone.
    """
    rows = [*_labels(tasks), *_lists(splits), *_held_out(corpus, store)]
    return [dict(row) for row in dict.fromkeys(tuple(row.items()) for row in rows)]


def _labels(tasks: Sequence[Task]) -> Iterator[dict[str, str]]:
    for task in tasks:
        if isinstance(task, External):
            labels = task.labels
            yield _row(labels.place().name, str(labels.hashable()["sha256"]), labels.licence)


def _lists(splits: AnySplit) -> Iterator[dict[str, str]]:
    if isinstance(splits, ImportedSplit):
        for file in splits.files():
            yield _row(file.name, content_hash(file), splits.licence)


def _held_out(corpus: Corpus | None, store: Store) -> Iterator[dict[str, str]]:
    for artefact in against(corpus.without, store) if corpus and corpus.without else ():
        licence = read_dataset(artefact).source.licence
        yield _row(f"{SHELF}/{artefact.fingerprint}", artefact.content_hash(), licence)


def _row(file: str, sha256: str, licence: str) -> dict[str, str]:
    return {"file": file, "sha256": sha256, "licence": licence or UNKNOWN}
