"""The development part of a corpus: by patient, by hash, and only where none is published."""

import polars as pl

from chartune.sources.annotated.dev import DevSplit
from chartune.sources.annotated.documents import DOCUMENTS


def documents(count: int = 300, test: int = 40) -> pl.DataFrame:
    rows = [(f"{n:03}-{k}", f"{n:03}", "test" if n < test else "train", "x") for n in range(count) for k in range(2)]
    return pl.DataFrame(rows, DOCUMENTS, orient="row")


def test_a_tenth_of_the_training_patients_is_taken_and_the_test_part_stays() -> None:
    split = DevSplit().assign(documents())
    parts = dict(split.group_by("split").agg(pl.col("patient").n_unique()).rows())
    assert parts["test"] == 40
    assert 15 <= parts["validation"] <= 40
    assert split.group_by("patient").agg(pl.col("split").n_unique())["split"].max() == 1


def test_further_documents_never_move_the_others() -> None:
    few = DevSplit().assign(documents(150)).select("doc_id", "split")
    many = DevSplit().assign(documents(300)).select("doc_id", "split")
    assert many.filter(pl.col("doc_id").is_in(few["doc_id"].implode())).equals(few)
    assert not DevSplit(salt="other").assign(documents(150)).select("doc_id", "split").equals(few)


def test_a_published_validation_part_stays_as_it_is() -> None:
    shipped = documents().with_columns(
        split=pl.when(pl.col("patient") == "299").then(pl.lit("validation")).otherwise("split")
    )
    assert DevSplit().assign(shipped).equals(shipped)
