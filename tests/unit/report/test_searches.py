"""A search in a report: every trial in the table, figures of what may be shown, and nothing of what may not."""

import re
from dataclasses import replace

import pytest

from chartune.answers import PERPLEXITY
from chartune.disclosure import TOO_FEW
from chartune.quantities import human_seconds
from chartune.report.budgets import budgets
from chartune.report.search_figures import drawn
from chartune.report.searches import SearchShown, chosen_said, counted, saving_said, trials_table
from chartune.report.variants import numbered
from chartune.runs import finished_runs
from chartune.search.choice import Search
from chartune.search.loop import Problem, Result
from chartune.search.space import Space
from chartune.search.trial import Outcome, Trial
from chartune.testing import past_runs as past

SPACE = Space.parse({
    "method.network": ["mlp", "lstm"], "method.layers": {"values": [1, 2], "when": {"method.network": "lstm"}},
    "optimisation.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
})  # fmt: skip


def trial(number: int, network: str, score: float | None, same_as: int | None = None) -> Trial:
    point = {"method.network": network, "method.layers": 2, "optimisation.learning_rate": 10.0 ** -(number + 1)}
    outcome = Outcome(score, f"run{number}", 100, 75.0, "" if score else "the loss is no longer a number")
    return Trial(number, point, SPACE.settings(point), "complete" if score else "failed", outcome, same_as)


TRIALS = (
    trial(0, "mlp", 9.0),
    trial(1, "lstm", 7.5),
    trial(2, "mlp", None),
    trial(3, "mlp", 8.0),
    trial(3, "mlp", 8.0, 3),
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> SearchShown:
    monkeypatch.setattr(SearchShown, "shown", lambda _, one: f"{one.score:.3f}" if one.score else "")
    result = Result(TRIALS, ended="20 trials have been made")
    weights = {"method.network": 0.25, "method.layers": 0.0, "optimisation.learning_rate": 0.75}
    return SearchShown("p_tuning", Problem("p", SPACE, Search(), lower_is_better=True), result, PERPLEXITY, {}, weights)


def test_the_table_has_every_trial_of_the_budget_with_its_settings(shown: SearchShown) -> None:
    rows = [[cell.text for cell in row] for row in trials_table(shown, TRIALS, "Trials").rows]
    assert rows == [
        ["0", "mlp", "–", "0.1", "9.000", "1 min 15 s", ""],
        ["1", "lstm", "2", "0.01", "7.500", "1 min 15 s", "chosen"],
        ["2", "mlp", "–", "0.001", "not measured", "1 min 15 s", "failed"],
        ["3", "mlp", "–", "0.0001", "8.000", "1 min 15 s", ""],
    ]
    assert chosen_said(shown) == (
        "Chosen by the validation perplexity (7.500): method.network = lstm, method.layers = 2, "
        "optimisation.learning_rate = 0.01."
    )
    assert "4 trials, of which 1 failed; 1 further proposals repeated a trial" in counted(shown)


def test_figures_show_the_best_so_far_all_settings_and_what_matters(shown: SearchShown) -> None:
    figures = drawn(shown, "search1")
    said = [re.search(r"<desc[^>]*>(.*?)</desc>", figure) for figure in figures]
    assert [match and match[1] for match in said] == [
        "From 9 at the first trial to 7.5, reached at trial 2.",
        "The best of 3 trials has method.network lstm, method.layers 2, optimisation.learning_rate 0.01.",
        "The best is 7.5 at 0.01.",
        "optimisation.learning_rate 75 %, method.network 25 %, method.layers 0 %.",
    ]
    ids = [name for figure in figures for name in re.findall(r'\bid="([^"]+)"', figure)]
    assert len(ids) == len(set(ids))


def test_of_scores_that_may_not_be_shown_nothing_is_drawn(shown: SearchShown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SearchShown, "shown", lambda *_: TOO_FEW)
    assert drawn(shown, "search1") == ()
    assert "7.5" not in str(trials_table(shown, TRIALS, "Trials"))


@pytest.mark.parametrize(
    ("best", "said"),
    [(0, "would have scored 6.000: nothing would have been lost."),
     (5, "would have scored 7.000: instead of 6.000, the best of all.")],
)  # fmt: skip
def test_where_all_were_trained_in_full_it_is_said_what_the_saving_would_have_cost(
    shown: SearchShown, best: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of six settings, whose scores on a share rise with their number, one is best in full."""
    search = Search.parse({"fidelity": {"share": 0.25, "promoted": 6}})
    short = tuple(trial(number, "mlp", 10.0 + number) for number in range(6))
    full = tuple(trial(number, "mlp", 6.0 if number == best else 7.0 + number % 2) for number in range(6))
    problem = Problem("p", SPACE, search, lower_is_better=True)
    every = SearchShown("a", problem, Result(short, full, "it ended"), PERPLEXITY, {}, {})
    assert saving_said(every).startswith(
        "All 6 trials were trained in full, too. Had only the best 4 on 25 % been, at 92 %"
    )
    assert saving_said(every).endswith(said)
    few = SearchShown("a", problem, Result(short, full[:4], "it ended"), PERPLEXITY, {}, {})
    assert saving_said(few) == saving_said(shown) == ""
    monkeypatch.setattr(SearchShown, "shown", lambda *_: TOO_FEW)
    assert saving_said(every) == ""


def test_a_best_learning_rate_at_an_end_of_its_range_is_named(shown: SearchShown) -> None:
    edge = replace(shown, result=Result((trial(0, "mlp", 6.0), *TRIALS[1:]), ended="x"))
    (curve,) = [figure for figure in drawn(edge, "s") if "score over learning_rate" in figure]
    assert "The best is 6 at 0.1 at an end of the range" in curve


def test_what_each_row_has_cost_counts_its_trials_and_stage_one(
    tmp_path_factory: pytest.TempPathFactory, shown: SearchShown
) -> None:
    store = past.past_runs(tmp_path_factory.mktemp("store"))
    every = {run.fingerprint: run for run in finished_runs(store)}
    variants = [v for v in numbered(list(every.values())) if v.run.task == "mortality"]
    rows = {v.run.fingerprint: v for v in variants}
    trials = tuple(replace(each, outcome=replace(each.outcome, run=name)) for each, name in
                   zip(TRIALS, (past.LORA, "other", "third", past.HEAD, past.HEAD), strict=True))  # fmt: skip
    one = replace(shown, result=Result(trials, ended="x"))
    spent = budgets([rows[past.CLINICAL], rows[past.LORA]], every, [one])
    assert spent is not None
    clinical, lora = spent.table.rows
    parent = every[past.PRETRAIN].cost
    assert [cell.text for cell in clinical[1:]] == [
        "1", f"{every[past.CLINICAL].cost.tokens:,}", human_seconds(every[past.CLINICAL].cost.seconds),
        f"{parent.tokens:,}",
    ]  # fmt: skip
    assert clinical[-1].detail == human_seconds(parent.seconds)
    assert [cell.text for cell in lora[1:]] == ["4", "400", "5 min 0 s", "none"]  # a repeated proposal costs nothing
    assert spent.curves.variants == ()  # of one searched row there is nothing to compare
    two = budgets([rows[past.HEAD], rows[past.LORA]], every, [one])
    assert two is not None
    assert two.curves.variants == (rows[past.HEAD], rows[past.LORA])
    assert "from 9 to 7.5" in two.curves.drawings[0]
    assert budgets(variants, every, []) is None
