"""Methods compared: by task, over settings that a study varies, and pair by pair; each number with its run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from chartune.answers import AUROC, BINARY
from chartune.disclosure import TOO_FEW, Behind
from chartune.metrics.decisive import holm
from chartune.quantities import Estimate
from chartune.report.against import LARGEST, against, decided, tally
from chartune.report.average import Asked
from chartune.report.by_method import method_figures, method_table, printed_table
from chartune.report.compare import Comparison, what_is_said
from chartune.report.outcome import Outcome
from chartune.report.rates import rates
from chartune.report.searches import SearchShown
from chartune.report.sweeps import BUDGET, FEW_SHOT, RANK, RATE, Sweep, sweeps, varied
from chartune.report.variants import Variant, numbered
from chartune.runs.run import Run
from chartune.search.choice import Search
from chartune.search.loop import Problem, Result
from chartune.search.space import Space
from chartune.search.trial import Outcome as Tried
from chartune.search.trial import Trial
from chartune.store import Store, write_json
from chartune.testing import past_runs as past

LORA = {"kind": "lora", "rank": 8, "alpha": 8}
Fields = Mapping[str, Any]


def made(store: Store, name: str, test: float, watched: float, stage: Fields, method: Fields = LORA,
         **about: Any) -> Run:  # fmt: skip
    """A finished run of mortality on BioBERT with a test score (0: the split is closed) and a validation score."""
    fingerprint = f"{len(list((store.root / 'runs').glob('*'))) + 1:016x}"
    folder = store.partial("runs", fingerprint)
    layers = [{"state": "fresh", "method": dict(method), "run": None, "sha256": None}]
    facts = {"kind": "finetune", "name": name, "task": "mortality", "answer": "binary", "data": "d", "seed": 0,
             "source": {"kind": "mimic3", "version": "1.4", "title": "MIMIC-III"}, "backbone": {"name": "biobert"},
             "stack": layers, "texts": 2 * int(stage.get("per_class", 0)) or None}  # fmt: skip
    write_json(folder / "run.json", {**facts, **about})
    scores = {"validation": {"auroc": Estimate(watched, watched - 0.05, watched + 0.05, 100).to_json()}}
    scores |= {"test": {"auroc": Estimate(test, test - 0.02, test + 0.02, 100).to_json()}} if test else {}
    write_json(folder / "scores.json", scores)
    write_json(folder / "cost.json", {})
    (folder / "stage.yaml").write_text(yaml.safe_dump({"kind": "finetune", **stage}))
    store.publish("runs", fingerprint, {})
    return Run(store.root / "runs" / fingerprint)


def section(runs: list[Run]) -> Outcome:
    """What the functions of this section read of an outcome."""
    asked: Any = SimpleNamespace(title="Mortality", variants=tuple(numbered(runs)), score="AUROC")
    return asked  # type: ignore[no-any-return]


def one(found: list[Sweep]) -> Sweep:
    (single,) = found
    return single


def rows_of(sweep: Sweep) -> list[list[str]]:
    return [[cell.text for cell in row] for row in sweep.table.rows]


def test_a_few_shot_curve_holds_one_method_and_each_score_leads_to_its_run(store: Store) -> None:
    methods = (("LoRA", LORA, 0.6), ("full", {"kind": "full"}, 0.5))
    runs = [made(store, f"{name} per_class={n}", score + n / 1000, 0.7, {"per_class": n}, method)
            for name, method, score in methods for n in (16, 64)]  # fmt: skip
    runs.append(made(store, "IA3 per_class=16", 0.9, 0.9, {"per_class": 16}, {"kind": "ia3"}))
    sweep = one(sweeps([section(runs)], FEW_SHOT, "few"))
    assert [column.title for column in sweep.table.columns] == [
        "Training examples of each class", "a · LoRA", "b · full",
    ]  # fmt: skip
    assert rows_of(sweep) == [["16", "0.616", "0.516"], ["64", "0.664", "0.564"]]
    assert [[cell.link for cell in row[1:]] for row in sweep.table.rows] == [
        [f"run-{runs[0].fingerprint}", f"run-{runs[2].fingerprint}"],
        [f"run-{runs[1].fingerprint}", f"run-{runs[3].fingerprint}"],
    ]
    assert sweep.table.rows[0][0].detail == "32 texts in all"
    assert sweep.table.rows[0][1].detail.splitlines() == ["0.596 to 0.636", "authors' repository 0.55"]
    assert "authors" not in sweep.table.rows[0][2].detail  # published of LoRA alone
    assert "a (LoRA) from 0.616 at 16 to 0.664 at 64" in sweep.figure.drawings[0]


def test_of_several_at_one_value_the_best_on_validation_stands_and_not_the_best_on_test(store: Store) -> None:
    runs = [made(store, "LoRA", test, watched, {"per_class": n, "weight": watched}) for n, test, watched in
            ((8, 0.9, 0.6), (8, 0.7, 0.8), (16, 0.75, 0.7))]  # fmt: skip
    assert rows_of(one(sweeps([section(runs)], FEW_SHOT, "f"))) == [["8", "0.700"], ["16", "0.750"]]


def test_where_a_test_split_is_closed_the_curve_is_of_the_validation_split(store: Store) -> None:
    runs = [made(store, "LoRA", 0.9, 0.6, {"per_class": 8}), made(store, "LoRA", 0.0, 0.7, {"per_class": 16})]
    sweep = one(sweeps([section(runs)], FEW_SHOT, "f"))
    assert rows_of(sweep) == [["8", "0.600"], ["16", "0.700"]]
    assert "on the validation split" in sweep.table.caption


def test_minutes_and_ranks_are_read_off_the_runs(store: Store) -> None:
    runs = [made(store, f"full most_seconds={s}", 0.8, 0.8, {"optimisation": {"most_seconds": s}}, {"kind": "full"})
            for s in (2000, 43200)]  # fmt: skip
    assert [row[0] for row in rows_of(one(sweeps([section(runs)], BUDGET, "m")))] == ["33.3", "720"]
    ranks = [made(store, "LoRA", 0.8, 0.8, {}, {"kind": "lora", "rank": rank, "alpha": rank}) for rank in (8, 128)]
    assert [row[0] for row in rows_of(one(sweeps([section(ranks)], RANK, "r")))] == ["8", "128"]
    assert sweeps([section(runs)], RANK, "r") == sweeps([section(runs)], FEW_SHOT, "f") == []


def test_a_rate_curve_does_not_mix_ranks_nor_base_models(store: Store) -> None:
    def at(rate: float, rank: int, base: str = "biobert") -> Run:
        stage, method = {"optimisation": {"learning_rate": rate}}, {"kind": "lora", "rank": rank, "alpha": 8}
        return made(store, f"LoRA learning_rate={rate}", 0.0, 0.5 + rate, stage, method, backbone={"name": base})

    runs = [at(0.1, 8), at(0.2, 8), at(0.3, 16), at(0.4, 8, "bert")]
    assert list(varied(numbered(runs), RATE)) == ["LoRA"]
    row = one(rates([section(runs)], [], {})).table.rows[0]
    assert [cell.text for cell in row] == [
        "a · LoRA", "2", "0.1", "0.2", "0.2", "0.700", "at an end of what was tried",
    ]  # fmt: skip
    assert row[5].link == f"run-{runs[1].fingerprint}"


def test_the_rate_of_a_head_alone_is_that_of_the_head(store: Store) -> None:
    stage = {"optimisation": {"learning_rate": 9.0, "head_learning_rate": 0.5}}
    assert RATE.read(made(store, "Head", 0.8, 0.8, stage, stack=[])) == 0.5
    assert RATE.read(made(store, "LoRA", 0.8, 0.8, stage)) == 9.0


def test_rates_of_searches_are_drawn_with_the_best_trial_at_each(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = made(store, "LoRA", 0.8, 0.75, {"optimisation": {"learning_rate": 0.01}})
    path, scores = "optimisation.learning_rate", {0.001: 0.6, 0.01: 0.75, 0.1: 0.5}
    points = [*scores.items(), (0.001, 0.65)]
    names = ["other", chosen.fingerprint, "third", "fourth"]
    trials = tuple(Trial(n, {path: rate}, {path: rate}, "complete", Tried(score, names[n]))
                   for n, (rate, score) in enumerate(points))  # fmt: skip
    space = Space.parse({path: {"low": 1e-3, "high": 1e-1, "log": True}})
    monkeypatch.setattr(SearchShown, "shown", lambda _, trial: f"{trial.score:.3f}")
    search = SearchShown("lora", Problem("p", space, Search(), lower_is_better=False), Result(trials), AUROC, {}, {})
    sweep = one(rates([section([chosen])], [search], {chosen.fingerprint: chosen}))
    assert [cell.text for cell in sweep.table.rows[0]] == ["a · LoRA", "3", "0.001", "0.1", "0.01", "0.750", ""]
    assert sweep.table.rows[0][5].link == f"run-{chosen.fingerprint}"
    assert "from 0.65 at 0.001 to 0.5 at 0.1" in sweep.figure.drawings[0]


def test_scores_that_may_not_be_shown_stand_in_no_curve(store: Store) -> None:
    runs = [made(store, "LoRA", 0.812, 0.6, {"per_class": n, "optimisation": {"learning_rate": n / 10}})
            for n in (8, 16)]  # fmt: skip
    few = Behind(rows=40, positives=3, negatives=37, patients=(40, 3, 37))
    hidden = [replace(variant, behind=few, watched=few) for variant in numbered(runs)]
    asked: Any = SimpleNamespace(title="Mortality", variants=tuple(hidden), score="AUROC")
    few_shot, rate = one(sweeps([asked], FEW_SHOT, "f")), one(rates([asked], [], {}))
    assert [row[1] for row in rows_of(few_shot)] == [TOO_FEW, TOO_FEW]
    assert rows_of(rate)[0][4:6] == ["–", TOO_FEW]
    assert (len(few_shot.figure), len(rate.figure)) == (0, 0)


@pytest.fixture(scope="module")
def past_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return past.past_runs(tmp_path_factory.mktemp("store"))


def asked_of(runs: list[Run], task: str = "mortality", start: int = 0) -> Asked:
    variants = tuple(numbered(runs, start=start))
    return Asked(task, "mimic3", BINARY, (), variants, what_is_said(variants, BINARY, headline_alone=True))


def test_methods_stand_by_name_on_every_task_beside_what_was_published(store: Store) -> None:
    full = {"kind": "full"}
    mortality = [made(store, "LoRA", 0.81, 0.8, {}), made(store, "full", 0.8, 0.8, {}, full)]
    stay = [made(store, "LoRA", 0.7, 0.8, {}, task="length_of_stay"), made(store, "full", 0.71, 0.8, {}, full,
            task="length_of_stay"), made(store, "alone", 0.5, 0.8, {}, task="length_of_stay")]  # fmt: skip
    small = {"backbone": {"name": "tiny-biobert"}}
    mortality.append(made(store, "tiny", 0.7, 0.8, {}, **small))
    stay.append(made(store, "tiny", 0.6, 0.8, {}, task="length_of_stay", **small))
    every = [Asked(title, "mimic3", BINARY, (), tuple(numbered(runs)), {})
             for title, runs in (("Mortality", mortality), ("Stay", stay))]  # fmt: skip
    table = method_table(every)
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["LoRA", "0.810", "0.700"],
        ["full", "0.800", "0.710"],
        ["tiny", "0.700", "0.600"],
    ]
    assert "authors' repository 0.764" in table.rows[2][1].detail
    assert table.rows[0][1].link == f"run-{mortality[0].fingerprint}"
    assert "authors' repository 0.828 (AUROC, std 0.002)" in table.rows[0][1].detail
    assert "authors' repository 0.709 (AUROC, std 0.002)" in table.rows[1][2].detail
    figures = method_figures(every, "m")
    assert len(figures) == 2
    assert "LoRA 0.810, full 0.800, tiny 0.700." in figures[0]
    printed = printed_table(every)
    assert printed is not None
    row = next(row for row in printed.rows if row[0].text == "TinyBioBERT, LoRA")
    assert [cell.text for cell in row] == ["TinyBioBERT, LoRA", "0.764", "0.649"]
    assert method_table(every[:1]) is None
    assert method_figures(every[:1], "m") == []


def test_every_pair_of_methods_on_one_base_is_compared_and_corrected_together(past_store: Store) -> None:
    runs = [Run.of(past_store, name) for name in (past.HEAD, past.LORA, past.CLINICAL, past.MINILM, past.TFIDF)]
    (matrix,), pairs = against(asked_of(runs))
    assert [(one.ours.name, one.theirs.name) for one in pairs] == [
        ("LoRA on small-llama", "Head only on small-llama"),
        ("Clinical (frozen) + downstream LoRA", "Head only on small-llama"),
        ("Clinical (frozen) + downstream LoRA", "LoRA on small-llama"),
    ]
    assert [one.corrected for one in pairs] == holm([one.p for one in pairs])
    assert [row[0].link for row in matrix.rows] == [f"run-{past.LORA}", f"run-{past.CLINICAL}"]
    assert matrix.rows[0][1].text == f"{pairs[0].difference.value:+.3f}"
    assert (matrix.rows[0][1].strong, matrix.rows[0][2].text) == (True, "")


def test_methods_that_had_other_examples_or_time_are_not_compared(past_store: Store, tmp_path: Path) -> None:
    store = past.two_runs(tmp_path)
    eight: Fields = {"per_class": 8}
    timed: Fields = {"optimisation": {"most_seconds": 5}}
    for place, stage in enumerate((eight, eight, {"per_class": 16}, {}, timed), 10):
        past.varied(store, f"{place:016x}", f"method {place}", 1 + place / 10, stage, LORA)
    tables, pairs = against(asked_of([Run.of(store, f"{place:016x}") for place in range(10, 15)]))
    assert [(one.ours.name, one.theirs.name) for one in pairs] == [("method 11", "method 10")]
    assert [table.caption for table in tables] == [
        "mortality: method against method (small-llama, 8 examples of each class)"
    ]


def compared(ours: str, theirs: str, difference: float, p: float) -> Comparison:
    def side(name: str) -> Variant:
        run: Any = SimpleNamespace(name=name, estimate=lambda _: None, headline=AUROC)
        return Variant(name, (run,))

    return Comparison(side(ours), side(theirs), Estimate(difference), p, p)


def test_over_tasks_it_is_counted_how_often_the_corrected_p_decides() -> None:
    every = [[compared("b", "a", 0.1, 0.04)], [compared("a", "b", 0.1, 0.01)], [compared("b", "a", 0.1, 0.06)],
             [compared("c", "a", 0.1, 0.01)]]  # fmt: skip
    table = tally(every)
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [["b", "1", "1", "1"]]
    assert decided(compared("a", "b", -0.1, 0.01)) == "worse"
    assert decided(compared("a", "b", 0.1, float("nan"))) == "open"
    assert tally(every[:1]) is None
    twice = [compared("b", "a", 0.1, 0.01), replace(compared("b", "a", 0.1, 0.01),
             ours=replace(compared("b", "a", 0, 0).ours, label="b2"))]  # fmt: skip
    assert tally([twice, [compared("b", "a", 0.1, 0.01)]]) is None
    assert LARGEST == 16
