"""Energy: what counters say, around their end, and nothing where there is none or one fails."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chartune.train import energy
from chartune.train.energy import Energy


def zone(root: Path, number: str, name: str, now: int, most: int = 1_000_000) -> Path:
    folder = root / f"intel-rapl:{number}"
    folder.mkdir()
    for file, content in (("name", name), ("energy_uj", now), ("max_energy_range_uj", most)):
        (folder / file).write_text(f"{content}\n")
    return folder / "energy_uj"


def test_packages_and_memory_are_added_up_and_their_parts_left_out(tmp_path: Path) -> None:
    package, core = zone(tmp_path, "0", "package-0", 100), zone(tmp_path, "0:0", "core", 100)
    memory = zone(tmp_path, "0:1", "dram", 50)
    with Energy(tmp_path) as measured:
        for counter, value in ((package, "300100"), (core, "900100"), (memory, "200050")):
            counter.with_suffix(".new").write_text(value)
            counter.with_suffix(".new").replace(counter)  # never half written
    assert measured.joules == pytest.approx(0.5)
    assert measured.counters == ("RAPL package-0", "RAPL dram")


class Unmoved:
    """In place of the thread that reads meanwhile: it might meet a file that is half written, as counters never are."""

    def __init__(self, read: Callable[[], None], interval: float) -> None:
        assert interval > 0

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass


def test_a_counter_that_begins_anew_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "Watch", Unmoved)
    package = zone(tmp_path, "0", "package-0", 900_000)
    with Energy(tmp_path) as measured:
        for value in (100_000, 700_000, 200_000):
            package.write_text(str(value))
            measured._advance()
    assert measured.joules == pytest.approx(0.2 + 0.6 + 0.5)


def test_without_a_counter_nothing_was_measured(tmp_path: Path) -> None:
    with Energy(tmp_path / "none") as measured:
        pass
    assert (measured.joules, measured.counters) == (None, ())


def test_a_counter_that_fails_meanwhile_leaves_nothing(tmp_path: Path) -> None:
    package = zone(tmp_path, "0", "package-0", 100)
    with Energy(tmp_path) as measured:
        package.unlink()
    assert (measured.joules, measured.counters) == (None, ())


def test_a_counter_that_may_not_be_read_is_none(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", 100).write_text("not a number")
    with Energy(tmp_path) as measured:
        pass
    assert measured.joules is None
