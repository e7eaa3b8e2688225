"""A bank: rows of many tasks in one batch, each read as if it were alone; loaded, pinned, evicted."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from chartune.batches import budgets
from chartune.errors import AdapterError, ConfigError, DataError, RunError
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.packed_encoder import rows_of
from chartune.models.prepacked import is_faster
from chartune.notes.text_pair import Text, TextPair
from chartune.prediction.scorer import Reading
from chartune.runs.run import Run
from chartune.serving.admission import must_mix, probe_of
from chartune.serving.bank import Bank
from chartune.serving.candidate import shared_adapter
from chartune.serving.mixing import Beside
from chartune.stages.loading import load
from chartune.store import Store
from chartune.testing.served_runs import LAYERS, Served, notes, served_runs
from chartune.testing.text_pairs import paired_twin
from chartune.testing.twins import EXACT, twin

BOUND: Final = 1e-6
"""By how much a probability may depend on batch mates."""
BESIDE: Final = 5e-6
"""By how much it may differ from `predict`, whose layers are in the matrices; in the twins both are as large."""
Asked = dict[str, Sequence[Text]]


@pytest.fixture(scope="module")
def store(served: Served) -> Store:
    return served.store


@pytest.fixture(scope="module")
def runs(served: Served) -> dict[str, Run]:
    return served.runs


@pytest.fixture(scope="module")
def base(served: Served) -> LocalBackbone:
    return served.base


@pytest.fixture(scope="module")
def bank(store: Store, runs: dict[str, Run]) -> Bank:
    """All of them; not to be changed."""
    return filled(Bank(store, shared=shared_adapter(list(runs.values()))), runs)


def filled(bank: Bank, runs: Mapping[str, Run]) -> Bank:
    for run in runs.values():
        bank.load(run)
    return bank


def asked_of(names: Sequence[str], count: int, seed: int) -> Asked:
    """Texts for each task."""
    asked: Asked = {}
    for number, name in enumerate(names):
        texts = notes(count, seed=seed + number)
        asked[name] = [TextPair(*pair) for pair in zip(texts, texts[::-1], strict=True)] if name == "pairs" else texts
    return asked


def probabilities(scorer: Any, reading: Reading) -> NDArray[np.float64]:
    """Of whole texts; of spans the log-probabilities of their words' tags."""
    if scorer.form.whole_text:
        made: NDArray[np.float64] = scorer.probability(reading.decided, recalibrated=False)
        return made
    return np.asarray(np.exp(np.concatenate([one.log_probabilities for one in reading.decided])))


def gap(scorer: Any, one: Reading, other: Reading) -> float:
    return float(np.abs(probabilities(scorer, one) - probabilities(scorer, other)).max())


def test_a_batch_mixes_tasks_and_each_row_is_read_as_predict_reads_it(
    bank: Bank, runs: dict[str, Run], store: Store
) -> None:
    asked = asked_of(list(runs), 5, seed=1)
    made = bank.read(asked)
    assert list(made) == list(asked)
    for name, run in runs.items():
        scorer = load(run, store)
        alone = scorer.read(asked[name])
        assert gap(scorer, alone, made[name]) <= BESIDE, name
        for part in ("tokens", "tokens_read", "words_read", "truncated"):
            assert np.array_equal(getattr(alone, part), getattr(made[name], part))


def test_no_probability_depends_on_who_else_is_in_the_batch(bank: Bank) -> None:
    must_not_depend_on_batch_mates(bank, shuffles=3, monkeypatch=None)


def must_not_depend_on_batch_mates(bank: Bank, shuffles: int, monkeypatch: pytest.MonkeyPatch | None) -> None:
    names, chance = [task.name for task in bank.tasks], random.Random(5)
    asked, scorers = asked_of(names, 6, seed=40), {task.name: task.scorer for task in bank.tasks}
    alone = {(name, row): bank.read({name: [text]})[name] for name in names for row, text in enumerate(asked[name])}
    for shuffle in range(shuffles):
        if monkeypatch:
            monkeypatch.setitem(budgets.READ, "fp32", [1536, 64, 500][shuffle % 3])
        pairs = [(name, row) for name in names for row in range(6)]
        chance.shuffle(pairs)
        size = chance.choice([7, 13, 40])
        for group in (pairs[start : start + size] for start in range(0, len(pairs), size)):
            rows = {name: [row for other, row in group if other == name] for name, _ in group}
            made = bank.read({name: [asked[name][row] for row in own] for name, own in rows.items()})
            for name, own in rows.items():
                for place, row in enumerate(own):
                    one = made[name].rows(place, place + 1)
                    assert gap(scorers[name], alone[name, row], one) <= BOUND, (name, row, shuffle)


def test_a_batch_of_many_lengths_has_no_padding(bank: Bank) -> None:
    before = bank.tally.cells, bank.tally.tokens
    made = bank.read({"lora": ["fever", *notes(2, seed=6)], "rslora": ["pain " * 40, "a fall"]})
    tokens = sum(int(each.tokens_read.sum()) for each in made.values())
    assert (bank.tally.cells - before[0], bank.tally.tokens - before[1]) == (rows_of(tokens), tokens)


def test_a_task_is_asked_by_its_name_and_by_its_handle_at_once(bank: Bank) -> None:
    """As a note beside an explanation, whose requests keep to the version that they began with."""
    tasks, texts = {task.name: task for task in bank.tasks}, notes(7, seed=3)
    for name in ("lora", "dora"):
        both = bank.read({name: texts[:3], "rslora": texts[:1], tasks[name].handle: texts[3:]})
        alone = bank.read({name: texts})[name]
        assert [len(both[each].decided) for each in (name, tasks[name].handle)] == [3, 4]
        made = np.concatenate([both[name].decided, both[tasks[name].handle].decided])
        np.testing.assert_allclose(made, alone.decided, atol=BOUND)
        assert np.array_equal(np.concatenate([both[name].tokens, both[tasks[name].handle].tokens]), alone.tokens)


def test_a_task_of_the_bank_alone_is_predict_bit_for_bit(bank: Bank, runs: dict[str, Run], store: Store) -> None:
    asked = asked_of(list(runs), 9, seed=20)
    for name, run in runs.items():
        assert np.array_equal(bank.scorer(name).decided(asked[name]), load(run, store).decided(asked[name])), name
    made = bank.read({"dora": asked["dora"]})
    assert np.array_equal(made["dora"].decided, load(runs["dora"], store).decided(asked["dora"]))


def test_every_adapter_moves_its_own_rows_and_no_others(bank: Bank, runs: dict[str, Run], store: Store) -> None:
    task, texts = next(task for task in bank.tasks if task.name == "lora"), notes(4, seed=9)
    assert task.mixed
    whole = bank.read({"lora": texts})["lora"]
    matrices = [
        each for each in task.mixed.module.modules() if isinstance(each, Beside) and task.handle in each.changes
    ]
    changes = [each.changes.pop(task.handle) for each in matrices]
    moved = gap(task.scorer, whole, bank.read({"lora": texts})["lora"])
    for each, change in zip(matrices, changes, strict=True):
        each.changes[task.handle] = change
    assert len(matrices) == 4  # query and value of two blocks
    assert moved > 10 * BOUND
    assert gap(task.scorer, whole, bank.read({"lora": texts, "rslora": texts, "own clinical": texts})["lora"]) <= BOUND


def test_what_cannot_be_mixed_is_read_in_batches_of_its_own_and_says_so(bank: Bank) -> None:
    apart = {task.name: task.apart for task in bank.tasks if task.mixed is None}
    assert apart == {"dora": "DoRA r=2 is more than a sum of low rank"}
    assert len({id(task.mixed) for task in bank.tasks if task.mixed}) == 1


def test_the_base_and_the_shared_adapter_are_held_once(store: Store, runs: dict[str, Run], base: LocalBackbone) -> None:
    own = sum(weight.nbytes for weight in load_body(base, EXACT).module.parameters())
    mixing = {name: run for name, run in runs.items() if name != "dora"}
    bank = filled(Bank(store, shared=shared_adapter(list(runs.values()))), mixing)
    twice = sum(mixed.copied_bytes for mixed in {task.mixed for task in bank.tasks if task.mixed})
    assert bank.nbytes == own + twice + sum(task.nbytes for task in bank.tasks)
    bank.load(runs["dora"])  # stands on the base without what is shared: on its matrices once more, and on nothing else
    matrices = sum(weight.nbytes for name, weight in load_body(base, EXACT).module.named_parameters()
                   if name.startswith("encoder.") and weight.ndim == 2)  # fmt: skip
    assert twice == (matrices if is_faster() else 0)
    assert bank.nbytes == own + twice + matrices + sum(task.nbytes for task in bank.tasks)
    bank.evict("dora")
    assert bank.nbytes == own + twice + sum(task.nbytes for task in bank.tasks)


def test_a_shared_adapter_is_that_which_most_runs_left_as_it_was(runs: dict[str, Run]) -> None:
    shared = shared_adapter(list(runs.values()))
    assert shared is not None
    assert shared.state == "frozen"
    assert shared_adapter([runs["own clinical"], runs["dora"]]) is None


def test_tasks_come_and_go_and_the_one_asked_longest_ago_goes_first(store: Store, runs: dict[str, Run]) -> None:
    sizes = {task.name: task.nbytes for task in filled(Bank(store), {n: runs[n] for n in ("lora", "rslora")}).tasks}
    bank = Bank(store, most_bytes=sizes["lora"] + sizes["rslora"])
    texts = notes(2, seed=3)
    bank.load(runs["lora"], "first")
    bank.load(runs["rslora"], "second")
    before = bank.read({"first": texts})["first"].decided
    bank.load(runs["lora"], "third")
    assert [task.name for task in bank.tasks] == ["first", "third"]
    assert np.array_equal(bank.read({"third": texts})["third"].decided, before)
    bank.pin("first")
    with pytest.raises(ConfigError, match="'first' is pinned"):
        bank.evict("first")
    bank.most_bytes = 2 * sizes["lora"]
    bank.load(runs["lora"], "fourth")
    assert [task.name for task in bank.tasks] == ["first", "fourth"]
    with pytest.raises(ConfigError, match=r"at most .* bytes, but with what is pinned"):
        bank.load(runs["rslora"])
    assert [task.name for task in bank.tasks] == ["first", "fourth"]
    bank.pin("first", False)
    bank.evict("first")
    with pytest.raises(ConfigError, match="loaded are fourth"):
        bank.read({"first": texts})


def test_a_name_is_given_once_and_other_texts_are_refused(bank: Bank, runs: dict[str, Run]) -> None:
    with pytest.raises(ConfigError, match="'lora' is taken"):
        bank.load(runs["rslora"], "lora")
    with pytest.raises(DataError, match="single"):
        bank.read({"pairs": ["a text"]})
    assert bank.read({"lora": [], "dora": []})["lora"].decided.shape == (0,)


def test_runs_of_two_bases_and_of_no_adapter_are_refused(store: Store, runs: dict[str, Run], tmp_path: Path) -> None:
    elsewhere = Store(tmp_path / "store").open()
    other = served_runs(elsewhere, twin(tmp_path / "other", "bert"), tmp_path, "no clinical")["no clinical"]
    bank = filled(Bank(store), {"lora": runs["lora"]})
    with pytest.raises(AdapterError, match="must stand on one base model"):
        bank.load(other)
    assert [task.name for task in bank.tasks] == ["lora"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("stack", {"layers": [{"kind": "fresh", "method": {"kind": "full"}}]}, "every weight of its own"),
     ("kind", "tfidf", "is a tfidf run"), ("environment", {"quantisation": "int4"}, "on a quantised base")],
)  # fmt: skip
def test_a_run_that_shares_no_base_is_refused(
    field: str, value: Any, message: str, store: Store, runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"stage": {**runs["lora"].stage, "stack": value}} if field == "stack" else {field: value}
    monkeypatch.setattr(Run, *given.popitem())
    with pytest.raises(RunError, match=message):
        Bank(store).load(Run(runs["lora"].path))


def test_a_lora_is_tried_in_mixed_batches_before_it_is_mixed(bank: Bank) -> None:
    task, other = (next(task for task in bank.tasks if task.name == name) for name in ("rslora", "lora"))
    body, probe = task.mixed, probe_of(task.scorer.model.body)
    assert body is not None
    whole = body.states(
        {"input_ids": probe, "attention_mask": torch.ones_like(probe)}, [(task.handle, slice(0, 2))]
    )  # fmt: skip
    assert must_mix(body, task.handle, probe, whole) == ""
    assert "by more than rounding" in must_mix(body, other.handle, probe, whole)
    body.route.rows = 0
    with pytest.raises(AdapterError, match="rows of a batch in their order"):
        body.module.get_submodule("encoder.layer.0.attention.self.query")(torch.zeros(2, 3, 32))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "llama"])
def test_every_kind_of_run_is_served(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = paired_twin(tmp_path / "base", family)
    store = Store(tmp_path / "store").open()
    runs = served_runs(store, base, tmp_path, *LAYERS)
    for shared in (shared_adapter(list(runs.values())), None):
        bank = filled(Bank(store, shared=shared), runs)
        asked = asked_of(list(runs), 7, seed=60)
        made = bank.read(asked)
        for name, run in runs.items():
            scorer = load(run, store)
            alone = scorer.read(asked[name])
            assert gap(scorer, alone, made[name]) <= BESIDE, name
            if scorer.form.whole_text:
                assert np.array_equal(bank.scorer(name).decided(asked[name]), alone.decided), name
        with monkeypatch.context() as patched:
            must_not_depend_on_batch_mates(bank, shuffles=6, monkeypatch=patched)


@pytest.mark.slow
def test_loading_and_evicting_leaves_nothing_behind(store: Store, runs: dict[str, Run]) -> None:
    bank = filled(Bank(store, shared=shared_adapter(list(runs.values()))), {"rslora": runs["rslora"]})
    texts = notes(3, seed=2)
    before, held = bank.read({"rslora": texts})["rslora"].decided, bank.nbytes
    for _ in range(20):
        bank.load(runs["own clinical"], "other")
        bank.evict("other")
    assert bank.nbytes == held
    assert np.array_equal(bank.read({"rslora": texts})["rslora"].decided, before)
    assert torch.is_inference_mode_enabled() is False
