"""Prepare: any preparation → prepared data in the store, under a fingerprint of everything that determines it.

Preparation (charts, tables) ─┐
                              ├─prepare─▶ data/<fingerprint> ─▶ read_task · label_space · read_corpus
AnnotatedPreparation ─────────┘
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, TypeAlias

import polars as pl
from pydantic import Discriminator, Tag

from chartune.errors import ConfigError, DataError
from chartune.store import Artefact, Store
from chartune.tasks.annotated.prepare import AnnotatedPreparation
from chartune.tasks.charts import Preparation
from chartune.tasks.dataset import CorpusEntry, Dataset, read_dataset
from chartune.tasks.frames import read_frame
from chartune.tasks.labels import LabelSpace
from chartune.tasks.prepared import obtain_data

__all__ = [
    "AnnotatedPreparation", "AnyPreparation", "Preparation", "corpus_of", "label_space", "parse_preparation", "prepare",
    "read_corpus", "read_task", "task_named",
]  # fmt: skip
CORPUS_FILE: Final = "corpus.parquet"


def preparation_class(data: Any) -> type[Preparation] | type[AnnotatedPreparation]:
    """By the kind of its source what a preparation is, which may be plain data."""
    if isinstance(data, AnnotatedPreparation):
        return AnnotatedPreparation
    source = data.get("source") if isinstance(data, Mapping) else None
    kind = source.get("kind") if isinstance(source, Mapping) else getattr(source, "kind", None)
    return AnnotatedPreparation if kind in AnnotatedPreparation.kinds() else Preparation


AnyPreparation: TypeAlias = Annotated[
    Annotated[Preparation, Tag(Preparation.__name__)]
    | Annotated[AnnotatedPreparation, Tag(AnnotatedPreparation.__name__)],
    Discriminator(lambda data: preparation_class(data).__name__),
]
"""Any prepared dataset, whatever its source: what a stage, a study or a verb stands on."""


def parse_preparation(data: Mapping[str, Any], place: str = "") -> AnyPreparation:
    """The preparation that plain data describe, by the kind of its source. Raises ConfigError as `Config.parse`."""
    return preparation_class(data).parse(data, place)


def prepare(preparation: AnyPreparation, store: Store) -> Artefact:
    """The prepared data: found in the store if they stand there, else made from the raw files, read once.

    An artefact of kind `data` with `dataset.json`, `splits.parquet`, a file per task and, of charts and tables,
    `corpus.parquet`.

    Raises:
        SchemaError: a raw file is missing, damaged or breaks its contract.
        DataError: `strict`, and something gives reason for a warning; nothing is kept that was not there before.
        LeakageError: a patient, or a document, stands in two splits.
        StoreError: the store cannot be written or is in use.
    """
    made = obtain_data(preparation, store)
    preparation.accept(read_dataset(made))
    return made


def task_named(tasks: Collection[str], name: str) -> str:
    """The prepared task that a name, its beginning or nothing at all (the first) stands for.

    Raises:
        ConfigError: several begin like that.
        DataError: the data were prepared without it.
    """
    matches = [task for task in tasks if task == name] or [task for task in tasks if task.startswith(name)]
    if name and len(matches) > 1:
        raise ConfigError(f"a task must be named without doubt, but {name!r} may be {' or '.join(matches)}; say which.")
    if not matches:
        raise DataError(
            f"the task must be among those prepared ({', '.join(tasks) or 'none'}), but got {name!r}; "
            f"add it to `tasks` and prepare again."
        )
    return matches[0]


def read_task(artefact: Artefact, name: str) -> pl.DataFrame:
    """The examples of a task: `EXAMPLES` with `label` in place of `asked`, sorted by hadm_id.

    `label` is the number of the label (i64), or of all that apply (list[i32]) where the task is multilabel.

    Raises:
        DataError: the data were prepared without this task.
        StoreError: the file is damaged.
    """
    return read_frame(artefact.path / f"{task_named(read_dataset(artefact).tasks, name)}.parquet")


def label_space(artefact: Artefact, name: str) -> LabelSpace:
    """The answers of a prepared task, in the order of their numbers. Raises DataError as `read_task`."""
    dataset = read_dataset(artefact)
    return dataset.tasks[task_named(dataset.tasks, name)].space()


def corpus_of(dataset: Dataset) -> CorpusEntry:
    """What is said of the corpus. Raises DataError: the data were prepared without one."""
    if dataset.corpus is None:
        way = "set `corpus` and prepare again" if "corpus" in dataset.config else "name the notes of a hospital"
        raise DataError(f"a corpus to adapt a model on must have been prepared, but these data have none; {way}.")
    return dataset.corpus


def read_corpus(artefact: Artefact) -> pl.DataFrame:
    """The documents of the corpus: note_id · subject_id · hadm_id · split · text.

    Raises:
        DataError: the data were prepared without a corpus.
    """
    corpus_of(read_dataset(artefact))
    return read_frame(artefact.file(CORPUS_FILE))
