"""Searches replayed on a small table that was made up: regrets, equal tokens and intervals are what they say."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from chartune.search.choice import Search
from chartune.search.space import Space
from chartune.search.trial import Outcome, Trial
from search_replay import Table, at_equal_tokens, difference, main, regrets, table_of

SPACE = Space.parse({"rank": [2, 4, 8, 16], "rate": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]})


def made_up(folder: Path, leave_out: int = 0) -> Path:
    """The record of a search whose scores are a smooth function: a synthetic table."""

    def trial(number: int, settings: dict[str, Any], share: float) -> dict[str, Any]:
        score = abs(math.log2(settings["rank"]) - 3) + abs(math.log10(settings["rate"]) + 3) + 0.1 * (1 - share)
        return Trial(number, settings, settings, "complete", Outcome(score, "r", 1, 1.0)).to_json()

    points = (SPACE.points or ())[leave_out:]
    record = {name: [trial(n, SPACE.settings(point), share) for n, point in enumerate(points)]
              for name, share in (("trials", 0.2), ("promoted", 1.0))}  # fmt: skip
    about = {"space": SPACE.to_json(), "lower_is_better": True, "share": 0.2, "note": "synthetic"}
    (folder / "search.json").write_text(json.dumps(about | record))
    return folder / "search.json"


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return table_of(made_up(tmp_path))


def test_a_table_has_both_scores_of_every_setting(table: Table) -> None:
    assert len(table.full) == len(table.low) == 20
    assert table.best == pytest.approx(0)
    assert table.outcome({"rank": 8, "rate": 1e-3}, 0.2).score == pytest.approx(0.08)
    assert table.outcome({"rank": 8, "rate": 1e-3}, 0.2).tokens == 200


def test_a_table_with_a_hole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="lacks 1 of 20"):
        table_of(made_up(tmp_path, leave_out=1))


def test_who_tries_everything_has_no_regret_and_who_tries_one_setting_has_that_of_it(table: Table) -> None:
    assert regrets(table, Search.parse({"sampler": "random", "trials": 20}), range(3)) == pytest.approx([0, 0, 0])
    one = regrets(table, Search.parse({"sampler": "grid", "trials": 1}), range(2))
    assert one == pytest.approx([3.0, 3.0])  # rank 2 is two steps from 8, and 1e-4 one from 1e-3


def test_trials_on_a_share_and_whole_ones_take_the_same_tokens(table: Table) -> None:
    full, short = at_equal_tokens(table, 6, promoted=3)
    assert (full.trials, short.trials, short.fidelity and short.fidelity.promoted) == (6, 15, 3)
    assert short.trials * 0.2 + 3 == pytest.approx(full.trials)


def test_a_difference_has_the_interval_of_its_seeds() -> None:
    assert difference([1.0, 2.0], [0.0, 1.0]) == (1.0, 1.0, 1.0)
    mean, low, high = difference([0.0, 2.0, 1.0, 3.0], [0.0, 0.0, 0.0, 0.0])
    assert low < mean == 1.5 < high


def test_it_prints_what_it_stands_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(made_up(tmp_path)), "--seeds", "1", "--trials", "3", "--equal", "4"])
    said = capsys.readouterr().out
    assert "20 settings (synthetic)" in said
    assert "3 trials: gp" in said
    assert "4 trainings' tokens, 5 trials on 20 %" in said
