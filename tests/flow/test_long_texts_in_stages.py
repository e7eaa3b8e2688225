"""A stage that reads long texts in windows, or by beginning and end: trained, kept, read again, planned."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chartune.errors import ConfigError, RunError
from chartune.models.backbone import LocalBackbone
from chartune.planning.plan import plan
from chartune.runs.run import Run
from chartune.stages.baseline import baseline_of
from chartune.stages.exporting import export
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.loading import load
from chartune.stages.table import read_table
from chartune.store import Store
from chartune.tasks.prepare import Preparation, prepare
from chartune.testing.short_texts import short_texts

WINDOWS = {"kind": "windows", "most": 3, "overlap": 1, "pool": "attention"}
LORA = [{"kind": "fresh", "method": {"kind": "lora", "rank": 2}}]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Preparation, Store]:
    folder = tmp_path_factory.mktemp("long")
    return short_texts(folder / "raw", folder / "lists"), Store(folder / "store").open()


def stage(data: Preparation, base: LocalBackbone, **fields: Any) -> Finetune:
    return Finetune.parse({
        "data": data, "backbone": {"name": str(base.folder)}, "max_seq_len": 8, "stack": {"layers": LORA},
        "numerics": {"precision": "fp32", "attention": "eager"},
        "optimisation": {"duration": {"value": 2, "unit": "steps"}}, **fields,
    })  # fmt: skip


def logits(run: Run, store: Store) -> tuple[Any, Any]:
    """Of the test split, as predicted by the run and by what it has left."""
    own = run.predictions("test")["logit"].to_numpy()
    table = read_table(prepare(Finetune.parse(run.stage).data, store), run.task or "")
    return own, load(run, store).read(table.frame[table.rows("test")]["text"].to_list())


def must_read_a_note_of_100_000_tokens(run: Run, store: Store) -> None:
    """As its beginning alone, or its ends, is read; what is not read is counted."""
    whole = " ".join(["fever"] * 100_000)
    short = " ".join(["fever"] * 100)
    both = load(run, store).read([whole, short, ""])
    assert np.isfinite(both.decided).all()
    assert both.decided[0] == pytest.approx(both.decided[1], abs=1e-6)
    assert both.tokens[0] > 100_000 > both.tokens[1]
    assert both.tokens_read[0] == both.tokens_read[1]
    assert both.truncated.tolist() == [True, True, False]


@pytest.mark.parametrize("long", [
    pytest.param(WINDOWS, id="windows"), pytest.param({"kind": "sections-first"}, id="sections-first"),
    pytest.param({"kind": "head-tail"}, id="head-tail", marks=pytest.mark.slow),
])  # fmt: skip
def test_what_a_run_has_left_reads_texts_as_the_run_did(
    place: tuple[Preparation, Store], bert: LocalBackbone, long: dict[str, Any], tmp_path: Path
) -> None:
    data, store = place
    asked = stage(data, bert, long=long)
    run = finetune(asked, store)
    own, again = logits(run, store)
    assert np.array_equal(own, again.decided)
    assert run.about.truncated_fraction == again.truncated.mean()
    assert again.tokens_read.max() <= 8 * asked.long.rows
    assert again.beginning == (long is WINDOWS)
    assert run.about.tokens_read in (
        "up to 3 windows of 8 tokens", "first and last tokens, 8 in all",
        "the most useful sections first, 8 tokens in all",
    )  # fmt: skip
    assert run.about.tokens_read in (run.path / "MODEL_CARD.md").read_text()
    assert plan(asked, store, exact=True).workload.tokens == run.cost.tokens
    assert baseline_of(run, asked, store) is None
    must_read_a_note_of_100_000_tokens(run, store)
    with pytest.raises(RunError, match=f"reads long texts otherwise .long.kind={long['kind']}.*set long.kind=first"):
        export(run, store, tmp_path / "out")


def test_a_text_that_fits_into_one_window_is_read_as_ever(
    place: tuple[Preparation, Store], bert: LocalBackbone
) -> None:
    data, store = place
    fields = {"max_seq_len": 64, "stack": {"layers": []}}
    plain, windows = (finetune(stage(data, bert, **fields, **long), store)
                      for long in ({}, {"long": {"kind": "windows"}}))  # fmt: skip
    assert plain.fingerprint != windows.fingerprint
    assert logits(plain, store)[0] == pytest.approx(logits(windows, store)[0], abs=1e-5)


def test_the_first_tokens_are_named_as_before_there_was_a_choice(
    place: tuple[Preparation, Store], bert: LocalBackbone
) -> None:
    assert "long" not in stage(place[0], bert).hashable()
    assert "long" in stage(place[0], bert, long={"kind": "head-tail"}).hashable()


def test_weights_of_windows_need_something_that_learns(place: tuple[Preparation, Store], bert: LocalBackbone) -> None:
    with pytest.raises(ConfigError, match=r"`long\.pool: attention` learns with the layers below the head"):
        stage(place[0], bert, stack={"layers": []}, long=WINDOWS)


def test_a_decoder_may_attend_to_what_follows_which_is_kept_apart_recorded_and_never_exported(
    place: tuple[Preparation, Store], llama: LocalBackbone, bert: LocalBackbone, tmp_path: Path
) -> None:
    data, store = place
    fields = {"stack": {"layers": []}, "head": {"pooling": "mean", "start": "probe"}}
    plain = finetune(stage(data, llama, **fields), store)
    kept = len(store.artefacts("readings"))
    both = finetune(stage(data, llama, **fields, bidirectional=True), store)
    assert len(store.artefacts("readings")) > kept  # vectors of one are not those of the other
    own, again = logits(both, store)
    assert np.array_equal(own, again.decided)
    assert (plain.about.bidirectional, both.about.bidirectional) == (None, True)
    assert "bidirectional: tokens see those behind them" in (both.path / "MODEL_CARD.md").read_text()
    assert "bidirectional" not in stage(data, llama).hashable()
    with pytest.raises(RunError, match="see those behind them"):
        export(both, store, tmp_path / "out")
    with pytest.raises(ConfigError, match="must be asked of a decoder"):
        finetune(stage(data, bert, bidirectional=True), store)
