"""Ways that take turns: what they answer, and what is made of their seconds."""

import os
from pathlib import Path

import pytest

import llama
import turns
from turns import Turn, show_rates, taking_turns

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
from turns import serve

def loud():
    print("a library prints")
    return [1.5]

serve({"loud": loud, "end": lambda: sys.exit(3)})
"""


def _measured(name: str, *cpu: float) -> Turn:
    """A way that took so many processor seconds, and by the clock 9 each time."""
    return Turn(name, os.devnull, measured={"train": [(seconds, 9.0) for seconds in cpu]})


def test_a_way_answers_whatever_libraries_print_until_its_process_ends(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    way = Turn("a way", str(tmp_path / "script.py"), (str(Path(turns.__file__).parent),))
    with taking_turns([way]):
        answer = way.ask("loud")
        way.measure("loud")
        with pytest.raises(RuntimeError, match="a way must answer, but its process ended with 3"):
            way.ask("end")
    assert (answer["value"], set(answer)) == ([1.5], {"cpu", "wall", "value"})
    assert [wall >= 0 for _, wall in way.measured["loud"]] == [True]


def test_ratios_and_shares_of_the_peak_are_paired_round_by_round(capsys: pytest.CaptureFixture[str]) -> None:
    ways, peak = [_measured("chartune", 2, 4), _measured("other", 4, 40)], _measured("peak", 1, 4)
    with taking_turns([*ways, peak]):
        show_rates(ways, "train", 100)
        llama.show_shares(ways[:1], peak, 2 * llama.SIDE**3 * llama.PRODUCTS)
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert printed[2:4] == [
        ["chartune", "33", "1.00", "×", "11", "1.00", "×"], ["other", "5", "6.00", "×", "11", "1.00", "×"],
    ]  # fmt: skip
    assert printed[-1] == ["chartune", "39", "GFLOP/s", "75%"]  # half in one round and all in the other


def test_the_matrices_of_the_llama_of_25_million_are_counted_once(tmp_path: Path) -> None:
    llama.SHAPE.save_pretrained(tmp_path)
    assert llama.matrices_of(tmp_path) == 8 * (4 * 512**2 + 3 * 512 * 1376) + 512 * 8000
    case = llama.CASES[0]
    blocks = llama.blocks_of(case, tmp_path)
    assert (len(blocks), blocks.ids.size) == (case.rows * case.steps, case.tokens)
    assert (blocks.predicted_tokens == case.length - 1).all()
