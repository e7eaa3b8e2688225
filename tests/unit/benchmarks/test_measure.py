"""What is measured is told rightly: pairs, medians, bounds; and a way is done in a process of its own."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

import prepare
from prepare import Claim, core_claims, memory_claims, time_claims
from preparing.measure import Measured, Once, made_by, take_turns, times
from preparing.ways import AUDIT, CORE, PANDAS, PREPARE, WAYS

SCRIPT = Path(prepare.__file__)


def _measured(way: str, *seconds: float, peak: float = 100, hospital: str = "one") -> Measured:
    return Measured(way, hospital, tuple(Once(one, one / 2, peak + number, 7) for number, one in enumerate(seconds)))


def _told(claims: list[Claim]) -> dict[str, tuple[float, bool]]:
    return {claim.what: (round(claim.value, 3), claim.holds) for claim in claims}


def test_seconds_are_the_median_and_memory_is_the_highest() -> None:
    measured = _measured("prepare", 3, 1, 9)
    assert (measured.seconds, measured.peak_mib) == (3, 102)


def test_ratios_are_paired_round_by_round() -> None:
    # The machine was slow in the second round: the ratio of the medians would be 2.
    assert times(_measured("a", 4, 40, 4), _measured("b", 1, 20, 2)) == 2
    assert times(_measured("a", 4, 40), _measured("b", 1, 10)) == 4


def test_ratios_by_processor_time_are_of_processor_time() -> None:
    paused = Measured("a", "one", (Once(900, 4, 100, 7),))
    assert times(paused, _measured("b", 4), by_cpu=True) == 2
    assert time_claims(
        {"copy notes": _measured("copy notes", 4), "prepare": Measured("prepare", "one", paused.rounds)}
    )[0] == Claim("prepare : copy notes, time", "one", 225, 4, by_cpu=2)


def test_what_is_done_one_after_the_other_is_added_up() -> None:
    assert times([_measured("a", 1, 2), _measured("b", 3, 4)], _measured("c", 1, 1)) == 5


def test_chartune_is_held_against_the_floor_of_its_hospital() -> None:
    events = {"count events": _measured("count events", 2), "split events": _measured("split events", 5)}
    told = time_claims(events | {"episodes": _measured("episodes", 4)})
    assert _told(told) == {"episodes : count events, time": (2, False), "episodes : split events, time": (0.8, True)}
    notes = {"copy notes": _measured("copy notes", 2), "prepare": _measured("prepare", 8)}
    assert _told(time_claims(notes)) == {"prepare : copy notes, time": (4, True)}


def test_pandas_reads_once_per_task_and_its_largest_process_counts() -> None:
    pandas = {way: _measured(way, 3, peak=100 * (number + 1)) for number, way in enumerate(PANDAS)}
    told = _told(core_claims(pandas | {CORE: _measured(CORE, 1, peak=100)}))
    assert told == {f"pandas, four tasks : {CORE}, time": (12, True), f"pandas, one task : {CORE}, memory": (4, False)}


def test_memory_is_held_against_the_limit_and_the_size_before() -> None:
    small, large = (_measured("prepare", 1, peak=peak, hospital=name) for peak, name in ((1000, "S"), (3000, "2S")))
    told = memory_claims([small, _measured("copy notes", 1), large])
    assert [(claim.hospital, claim.value, claim.holds) for claim in told] == [
        ("S", 1000, True), ("2S", 3000, False), ("2S", 3, False),
    ]  # fmt: skip


def test_a_claim_without_a_bound_always_holds() -> None:
    assert Claim("what", "where", 9, None).holds


def test_a_way_is_done_in_a_process_of_its_own(tmp_path: Path) -> None:
    hospital = tmp_path / "raw"
    hospital.mkdir()
    (hospital / "CHARTEVENTS.csv.gz").write_bytes(gzip.compress(b"ROW_ID,ITEMID\n1,211\n2,646\n"))
    found = take_turns(["count events", "split events"], "two rows", hospital, 1, SCRIPT)
    assert [one.rows for measured in found.values() for one in measured.rounds] == [2, 2]
    assert all(measured.seconds > 0 and measured.peak_mib > 10 for measured in found.values())
    assert made_by(hospital, "count events").is_dir()


def test_every_way_that_is_printed_can_be_done() -> None:
    assert {*prepare.EVENTS, *PREPARE, AUDIT, "copy notes", CORE, *PANDAS} == set(WAYS)


@pytest.mark.slow
def test_the_whole_benchmark_runs_on_a_small_hospital(tmp_path: Path) -> None:
    sizes = ["--notes-mb", "1,2", "--chart-rows", "1e4", "--subjects", "40", "--rounds", "1"]
    command = [sys.executable, str(SCRIPT), *sizes, "--folder", str(tmp_path), "--json", str(tmp_path / "told.json")]
    subprocess.run(command, check=True, capture_output=True)
    told = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))
    assert set(told) == {"about", "hospitals", "measured", "claims", "agreements"}
    assert all(agreement["differences"] == 0 for agreement in told["agreements"])
    assert {file.name for file in tmp_path.iterdir()} == {"told.json"}
