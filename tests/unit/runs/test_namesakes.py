"""Two processes that finish runs of one name at the same time: one of them is called otherwise, and both are found."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chartune.runs.ledger import find_run, only_bearer
from chartune.runs.run import Run
from chartune.store import Store
from chartune.testing import past_runs as past

LORA = {"kind": "lora", "rank": 8}


def made(store: Store, fingerprint: str, seed: int = 0) -> Run:
    past.varied(store, fingerprint, "lora", 1.0, {}, LORA, seed=seed)
    return Run.of(store, fingerprint)


def test_of_two_that_bear_one_name_one_gets_a_number(tmp_path: Path) -> None:
    store = past.two_runs(tmp_path)
    first, second, other = made(store, "c" * 16), made(store, "d" * 16), made(store, "f" * 16, seed=1)
    with ThreadPoolExecutor(2) as threads:
        names = sorted(run.name for run in threads.map(lambda run: only_bearer(store, run), (first, second)))
    assert names == ["lora", "lora (2)"]
    assert only_bearer(store, other).name == "lora"  # of another seed
    assert find_run(store, "lora (2)").fingerprint in ("c" * 16, "d" * 16)
    again = [only_bearer(store, Run.of(store, run.fingerprint)).name for run in (first, second)]
    assert sorted(again) == names


def test_the_weights_of_the_same_training_may_share_its_name(tmp_path: Path) -> None:
    store = past.two_runs(tmp_path)
    trained = made(store, "c" * 16)
    past.varied(store, "d" * 16, "lora", 1.0, {}, LORA, trained_in=trained.fingerprint)
    assert only_bearer(store, Run.of(store, "d" * 16)).name == "lora"
