"""Attacked adapters: each is refused by a bank, with and without the texts that its run was scored on."""

from pathlib import Path

import numpy as np
import pytest

from chartune.errors import AdapterError, ChartuneError, ConfigError
from chartune.runs.run import Run
from chartune.serving.bank import Bank
from chartune.serving.bank_file import bank_of, named_runs
from chartune.store import Store
from chartune.testing.attacked_adapters import ATTACKS, attacked
from chartune.testing.served_runs import Served, notes


@pytest.fixture(scope="module")
def store(served: Served) -> Store:
    return served.store


@pytest.fixture(scope="module")
def runs(served: Served) -> dict[str, Run]:
    return served.runs


@pytest.fixture(scope="module")
def bank(store: Store, runs: dict[str, Run]) -> Bank:
    """Not to be changed."""
    return bank_of(
        named_runs([run.name for name, run in runs.items() if name in ("lora", "own clinical")], store), store
    )


@pytest.mark.parametrize("kind", list(ATTACKS))
def test_an_attacked_adapter_never_answers(
    kind: str, store: Store, runs: dict[str, Run], bank: Bank, tmp_path: Path
) -> None:
    must_be_refused(kind, 0, store, runs, bank, tmp_path)


def must_be_refused(
    kind: str, seed: int, store: Store, runs: dict[str, Run], bank: Bank, tmp_path: Path
) -> None:  # fmt: skip
    run = runs["lora" if seed % 2 else "own clinical"]
    before = bank.tasks
    with pytest.raises(ChartuneError) as refused:
        bank.load(Run(attacked(run.path, tmp_path / str(seed), kind, seed)), "attacked")
    assert str(refused.value).endswith(".")
    assert bank.tasks == before
    with pytest.raises(ConfigError, match="'attacked' is not"):
        bank.read({"attacked": ["a text"]})


@pytest.mark.parametrize(
    ("kind", "rule"), [("no number", "must hold finite numbers"), ("without effect", "on a probe layer")]
)
def test_what_is_damaged_is_refused_without_the_texts_that_it_was_scored_on(
    kind: str, rule: str, runs: dict[str, Run], tmp_path: Path
) -> None:
    bank, rules = Bank(Store(tmp_path / "store").open()), list[str]()
    bank.load(runs["lora"])
    for seed in (1, 2, 4, 5, 6, 8):  # all are signed
        with pytest.raises(AdapterError) as refused:
            bank.load(Run(attacked(runs["lora"].path, tmp_path / str(seed), kind, seed)), "attacked")
        rules.append(str(refused.value))
    assert any(rule in each for each in rules)


def test_a_head_of_the_same_shape_that_somebody_has_signed_is_found_out(
    store: Store, runs: dict[str, Run], bank: Bank, tmp_path: Path
) -> None:
    with pytest.raises(AdapterError, match="must predict what it predicted when it was scored"):
        bank.load(Run(attacked(runs["own clinical"].path, tmp_path, "swapped head", 2)), "attacked")


@pytest.mark.slow
def test_two_hundred_attacked_adapters_never_answer(
    store: Store, runs: dict[str, Run], bank: Bank, tmp_path: Path
) -> None:
    texts = notes(4, seed=9)
    before = bank.read({"lora": texts, "own clinical": texts})
    for kind in ATTACKS:
        for seed in range(1, 26):
            must_be_refused(kind, seed, store, runs, bank, tmp_path / kind)
    after = bank.read({"lora": texts, "own clinical": texts})
    assert all(np.array_equal(before[name].decided, after[name].decided) for name in before)
