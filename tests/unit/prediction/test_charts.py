"""Charts to be scored: all admissions in order, of which a portion's texts alone are held."""

from pathlib import Path

import polars as pl
import pytest

from chartune.errors import SchemaError
from chartune.prediction import charts
from chartune.prediction.charts import ChartTexts
from chartune.prediction.texts import checked
from chartune.runs.holdings import holdings
from chartune.store import Store
from chartune.tasks import making, staging
from chartune.tasks.charts import Preparation


def test_texts_come_in_order_in_chunks_and_are_never_held_together(
    hospital: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = {"kind": "mortality"}
    source = {"kind": "mimic3", "folder": str(hospital)}
    trained_on = Preparation.parse({"source": source, "tasks": [task]})
    texts = ChartTexts(source, trained_on.model_dump(mode="json"), "mortality", "f" * 16, store)
    (whole,) = texts.chunks()
    texts.forget()
    monkeypatch.setattr(charts, "CHUNK", 8)
    monkeypatch.setattr(staging, "PORTION", 0)  # each shard alone
    held, portions = list[int](), making._portions

    def noted(makings: list[making._Making], staged: staging.Staged):  # type: ignore[no-untyped-def]
        for shards in portions(makings, staged):
            held.append(sum(part.height for one in makings for part in one.parts))
            yield shards

    monkeypatch.setattr(making, "_portions", noted)
    chunks = list(texts.chunks())
    assert pl.concat([chunk.ids for chunk in chunks]).equals(whole.ids)
    assert pl.concat([chunk.texts for chunk in chunks]).equals(whole.texts)
    assert whole.ids.is_sorted()
    assert [chunk.ids.len() for chunk in chunks[:-1]] == [8] * (len(chunks) - 1)
    assert 0 < chunks[-1].ids.len() <= 8
    assert [chunk.first for chunk in chunks] == [1 + 8 * n for n in range(len(chunks))]
    assert (sum(held), max(held) < whole.ids.len() / 4, len(held) > 8) == (whole.ids.len(), True, True)
    other = ChartTexts(source, trained_on.model_dump(mode="json"), "mortality", "e" * 16, store)
    with texts.kept():
        begun = texts.chunks()
        ids = [next(begun).ids]
        with other.kept():
            assert sum(chunk.ids.len() for chunk in other.chunks()) == whole.ids.len()
            other.forget()
        assert pl.concat([*ids, *(chunk.ids for chunk in begun)]).equals(whole.ids)
        (piled,) = holdings(store)
        assert (piled.in_use, piled.needs) == (True, frozenset({("runs", "f" * 16)}))
    texts.forget()
    assert not any((store.root / "predictions").glob("*.partial"))
    monkeypatch.setattr(charts, "readable", lambda *_: iter(()))
    with pytest.raises(SchemaError, match="but it has none; see with `chartune check`"):
        checked(texts)
