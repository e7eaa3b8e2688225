"""Memory, time and disk of a stage, counted by hand from what was rehearsed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from chartune.planning import rates as measuring
from chartune.planning import requirements
from chartune.planning.rates import Rates, measured_rates
from chartune.planning.rehearsal import Rehearsals, Rehearsed, _Alive
from chartune.planning.requirements import (
    CGROUPS,
    CHECKPOINT,
    COMPILED_LEAVES,
    COSTS,
    READ_AT_ONCE,
    RUNTIME,
    SETUP_SECONDS,
    SLACK,
    STEP_SECONDS,
    STORING,
    WRITTEN,
    Weights,
    _left_in_container,
    disk_of,
    memory_of,
    micro_batch_within,
    seconds_of,
)
from chartune.planning.workload import Workload
from chartune.testing.twins import EXACT
from chartune.train.training import CHECKPOINT_SECONDS

TRAINING = Rehearsed(
    flops=700, peak_bytes=1000, written_bytes=70, operations=100_000, squared_bytes=700, attention_flops=100
)
READING = Rehearsed(flops=200, peak_bytes=300, written_bytes=30, operations=10_000, squared_bytes=90)
BATCHES = Rehearsals(TRAINING, 50, READING, 20)
RATES = Rates(flops=100.0, bytes=10.0, attention=50.0)
HALF = replace(EXACT, precision="bf16")
WEIGHTS = Weights(resident_bytes=10_000, largest_bytes=2000, trainable=5, kept_bytes=40)
WORK = Workload(steps=4, tokens=200, micro_batches=8, read_tokens=60, evaluations=1, text_bytes=77)
LATER = replace(EXACT, device="cuda")
PASSES, OPERATION_SECONDS = COSTS["fp32"].passes, COSTS["fp32"].operation
STEPS = SETUP_SECONDS + 4 * (STEP_SECONDS + PASSES * 5 * 4 * 5 / 10)
READ = 3 * (2 + PASSES * 3 + OPERATION_SECONDS * 10_000)
CALLS = 8 * OPERATION_SECONDS * 100_000


@pytest.fixture(autouse=True)
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "free_memory", {"cpu": 10**9, "cuda": 10**8}.__getitem__)


def test_seconds_are_those_of_steps_batches_and_checkpoints() -> None:
    trained = STEPS + READ + 4 * (8 + PASSES * 7) + CALLS
    stored = max(1, trained / CHECKPOINT_SECONDS) * STORING * WRITTEN * 5
    assert trained > 2 * CHECKPOINT_SECONDS
    assert seconds_of(WORK, BATCHES, 5, RATES, EXACT) == pytest.approx(trained + stored, rel=1e-12)
    often = replace(WORK, evaluations=100)
    assert seconds_of(often, BATCHES, 5, RATES, EXACT) == pytest.approx(
        trained + 100 * STORING * WRITTEN * 5, rel=1e-12
    )
    assert seconds_of(replace(WORK, steps=None), BATCHES, 5, RATES, EXACT) is None
    assert seconds_of(replace(WORK, tokens=None), BATCHES, 5, RATES, EXACT) is None
    assert seconds_of(replace(WORK, read_tokens=None), BATCHES, 5, RATES, EXACT) is None


def test_a_precision_has_costs_of_its_own_and_the_optimizer_those_of_fp32() -> None:
    work, costs = replace(WORK, evaluations=0), COSTS["bf16"]
    reading = 3 * (2 + costs.passes * 3 + costs.operation * 10_000)
    training = 4 * (6 + costs.attention * 2 + costs.passes * 7) + 8 * costs.operation * 100_000
    assert seconds_of(work, BATCHES, 5, RATES, HALF) == pytest.approx(STEPS + reading + training, rel=1e-12)


def test_a_limit_of_seconds_ends_steps_evaluations_and_checkpoints_and_not_what_comes_before_and_after() -> None:
    work = replace(WORK, evaluated_tokens=40)
    whole = seconds_of(work, BATCHES, 5, RATES, EXACT)
    assert whole == pytest.approx(seconds_of(WORK, BATCHES, 5, RATES, EXACT), rel=1e-12)
    beside = SETUP_SECONDS + READ / 3
    assert seconds_of(work, BATCHES, 5, RATES, EXACT, most=1.5) == pytest.approx(beside + 1.5, rel=1e-12)
    assert seconds_of(work, BATCHES, 5, RATES, EXACT, most=1e9) == whole


def test_compiled_blocks_leave_the_products_and_a_share_of_the_rest() -> None:
    plain, quick = (
        seconds_of(WORK, BATCHES, 0, RATES, replace(EXACT, compiled=compiled)) for compiled in (False, True)
    )
    assert plain is not None
    assert quick is not None
    assert plain - quick == pytest.approx((1 - COMPILED_LEAVES) * (4 * PASSES * 7 + CALLS), rel=1e-12)


def test_two_threads_train_halves_at_their_own_rates_and_each_goes_through_all_operations() -> None:
    rates = replace(RATES, halves=Rates(flops=150.0, bytes=14.0, attention=80.0))
    plain, halved = (seconds_of(replace(WORK, evaluations=0), BATCHES, 5, each, EXACT) for each in (RATES, rates))
    assert halved == pytest.approx(STEPS + READ + 4 * (600 / 150 + 100 / 80 + PASSES * 70 / 14) + 2 * CALLS, rel=1e-12)
    assert plain == pytest.approx(STEPS + READ + 4 * (8 + PASSES * 7) + CALLS, rel=1e-12)


def test_a_head_alone_is_trained_without_micro_batches() -> None:
    alone = replace(BATCHES, training=None)
    assert seconds_of(replace(WORK, evaluations=0), alone, 5, RATES, EXACT) == pytest.approx(STEPS + READ, rel=1e-12)
    assert alone.in_micro_batches_of(7) == alone
    assert alone.peak_bytes == 300
    assert alone.result_bytes == 3


def test_memory_is_the_worst_of_a_batch_a_checkpoint_and_reading_the_weights() -> None:
    memory = memory_of(WEIGHTS, BATCHES, WORK, EXACT, held=500)
    others = 500 + RUNTIME["fp32"] + 10_000 + 5 * 12 + 77
    assert memory.peak == others + round(READ_AT_ONCE * 2000) - 5 * 12
    assert memory.free == 10**9
    small = replace(WEIGHTS, largest_bytes=20)
    assert memory_of(small, BATCHES, WORK, EXACT, held=500).peak == others + SLACK["fp32"] * 1000
    many = replace(small, trainable=500)
    assert memory_of(many, BATCHES, WORK, EXACT, held=500).batch == CHECKPOINT * 500
    half = memory_of(small, BATCHES, WORK, replace(EXACT, precision="bf16"), held=500)
    assert half.peak == others - RUNTIME["fp32"] + RUNTIME["bf16"] + SLACK["bf16"] * 1000
    gpu = memory_of(many, BATCHES, WORK, LATER, held=500)
    assert (gpu.process, gpu.weights, gpu.optimizer, gpu.batch, gpu.data) == (0, 10_000, 4000, SLACK["fp32"] * 1000, 0)
    assert gpu.free == 10**8


def test_a_micro_batch_within_memory_is_in_proportion_unless_something_else_is_larger() -> None:
    assert micro_batch_within(1000, BATCHES, WEIGHTS, "fp32") == int(0.95 * 1000 / (SLACK["fp32"] * 1000) * 50)
    assert micro_batch_within(int(SLACK["fp32"] * 300) - 1, BATCHES, WEIGHTS, "fp32") == 0
    assert micro_batch_within(1000, BATCHES, replace(WEIGHTS, trainable=500), "fp32") == 0
    assert micro_batch_within(1000, replace(BATCHES, training=None), WEIGHTS, "fp32") == 0


def test_disk_holds_the_weights_that_are_kept_and_three_checkpoints(tmp_path: Path) -> None:
    disk = disk_of(WEIGHTS, tmp_path / "not" / "there")
    assert (disk.kept, disk.while_training) == (40, 3 * 16 * 5)
    assert disk.free > 0
    more = disk_of(WEIGHTS, tmp_path, {"tokens": 100, "readings": 20})
    assert (more.shared, more.needed) == (120, 40 + 3 * 16 * 5 + 120)


def test_a_batch_of_more_rows_is_in_proportion_but_its_operations() -> None:
    assert TRAINING.of_more_rows(2) == Rehearsed(1400, 2000, 140, 100_000, 2800, 200)
    assert TRAINING.of_more_rows(2).result_bytes == 2 * TRAINING.result_bytes == 20
    assert BATCHES.in_micro_batches_of(100).training == TRAINING.of_more_rows(2)
    assert TRAINING.deepened(READING, 2) == Rehearsed(1100, 1600, 130, 120_000, 880, 100)
    assert BATCHES.result_bytes == TRAINING.result_bytes


def test_results_are_measured_in_the_size_in_which_most_is_written() -> None:
    with _Alive(set()) as alive:
        kept = [torch.zeros(size, dtype=torch.uint8) for size in (1, 10)]
        counted = alive.counted(alive.now)
        alive.begin()
        assert alive.counted(alive.now) == Rehearsed(0, 0, 0, 0, 0)
    assert len(kept) == 2
    assert (counted.peak_bytes, counted.written_bytes, counted.squared_bytes) == (11, 11, 101)
    assert counted.result_bytes == 101 // 11


def test_fused_attention_is_counted_apart_forward_and_backward() -> None:
    with FakeTensorMode(), _Alive(set()) as alive:
        states = torch.empty(2, 3, 32, 16, requires_grad=True)
        loss = torch.nn.functional.scaled_dot_product_attention(states, states, states).sum()
        forward = alive.attention
        (states.new_empty(5, 7) @ states.new_empty(7, 11)).sum()
        torch.autograd.backward(loss)
    product = 2 * 2 * 3 * 32 * 32 * 16
    assert forward == 2 * product
    assert alive.attention == 7 * product  # backward: the scores once more, and two products for each of the two
    assert alive.flops == alive.attention + 2 * 5 * 7 * 11


def test_element_wise_work_is_tried_on_results_of_that_size(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def once(run: object) -> float:
        tried.append(run().numel())  # type: ignore[operator]
        return 0.5

    monkeypatch.setattr(measuring, "_quickest", once)
    rates = measured_rates(EXACT, 400_000)
    assert tried[0] == 100_000
    assert rates.bytes == 800_000
    assert rates.flops == 2 * (2 * 1024 * 512 * 1376)
    assert rates.attention == 2 * (2 * 2 * 4 * 8 * 256 * 256 * 64)
    measured_rates(EXACT, 1)
    assert tried[3] == measuring.LEAST_TRIED // 4


def test_the_rates_of_halves_are_those_of_two_threads_with_half_of_the_threads_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes, threads = [], []

    def once(run: object) -> float:
        sizes.append(run().numel())  # type: ignore[operator]
        threads.append(torch.get_num_threads())
        return 0.5

    monkeypatch.setattr(measuring, "_quickest", once)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        rates = measured_rates(replace(EXACT, data_parallel=True), 400_000)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
    assert rates.halves is not None
    assert (rates.flops, rates.bytes) == (2 * (2 * 1024 * 512 * 1376), 800_000)
    assert (rates.halves.flops, rates.halves.bytes) == (2 * rates.flops, rates.bytes)
    assert rates.halves.attention == 2 * rates.attention
    assert sorted(sizes) == [50_000, 50_000, 100_000, *[4 * 8 * 256 * 64] * 3, *[1024 * 1376] * 3]
    assert threads == [4, 4, 4, *[2] * 6]
    assert rates.to_json()["halves"]["gigabytes"] == 0.0
    assert measured_rates(EXACT, 400_000).halves is None


@pytest.mark.parametrize(
    ("names", "stat"),
    [(CGROUPS[0], "inactive_file 30\nfile 500\n"), (CGROUPS[1], "total_inactive_file 30\n")],
    ids=["version 2", "version 1"],
)
def test_a_container_leaves_what_its_limit_does_not_count_as_used(
    tmp_path: Path, names: tuple[str, str, str], stat: str
) -> None:
    limit, use, _ = names
    place = (tmp_path / limit).parent
    place.mkdir(exist_ok=True)
    assert _left_in_container(tmp_path) == [2**62]
    (tmp_path / limit).write_text("1000\n")
    (tmp_path / use).write_text("900\n")
    (place / "memory.stat").write_text(stat)
    assert _left_in_container(tmp_path) == [2**62, 130]
    (tmp_path / use).write_text("2000\n")
    assert _left_in_container(tmp_path)[1] == 0
    (tmp_path / limit).write_text("max\n")
    assert _left_in_container(tmp_path) == [2**62]
