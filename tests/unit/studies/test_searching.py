"""A searched stage: its trials are runs without test scores, the best is scored once, nothing is done twice."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chartune.batches.tokenize import encode_once
from chartune.errors import ConfigError, Diverged, StoreError
from chartune.models.backbone import LocalBackbone
from chartune.quantities import Duration
from chartune.report.searches import chosen_said, counted, trials_table
from chartune.runner import run
from chartune.runs.ledger import finished_runs
from chartune.runs.run import Run
from chartune.search.loop import Result
from chartune.search.storages import Journals
from chartune.stages import texts
from chartune.stages.identity import Identity
from chartune.store import Artefact, Store
from chartune.studies import searching
from chartune.studies.conduct import Conducted, Means, conduct
from chartune.studies.forecast import forecasts
from chartune.studies.ledger import read_entries
from chartune.studies.parents import family_of
from chartune.studies.report import study_report
from chartune.studies.spaces import settled, trial_of
from chartune.studies.standing import Survey, survey
from chartune.studies.study import Study
from chartune.testing.short_texts import reports, short_texts

RANK = "stack.layers.0.method.rank"
TINY = {"max_seq_len": 32, "task": "mortality", "numerics": {"precision": "fp32"},  # in bf16 both ranks tie
        "optimisation": {"learning_rate": 1e-2, "duration": {"value": 1, "unit": "steps"}}}  # fmt: skip
LORA = {"kind": "finetune", "stack": {"layers": [{"kind": "fresh", "method": {"kind": "lora"}}]}}
Asking = tuple[Study, Store]


def study(data: Any, base: str, space: dict[str, Any], seeds: Sequence[int] = (0,), **fields: Any) -> Study:
    shared = {"finetune": {**TINY, "backbone": {"name": base}}}
    stages = {"lora": {**LORA, "space": space, "grid": {"seed": list(seeds)}}}
    return Study.parse({"title": "t", "data": data, "shared": shared, "stages": stages, **fields})


@pytest.fixture(scope="module")
def asked(llama: LocalBackbone, tmp_path_factory: pytest.TempPathFactory) -> Asking:
    place = tmp_path_factory.mktemp("searched")
    data = json.loads(short_texts(place / "raw", place / "lists").model_dump_json())
    return study(data, str(llama.folder), {RANK: [2, 4]}), Store(place / "store").open()


@pytest.fixture(scope="module")
def done(asked: Asking) -> Conducted:
    return conduct(*asked)


def looked_at(asked: Asking) -> Survey:
    return survey(family_of(asked[0])[0], asked[1], {})


def test_no_trial_has_seen_the_test_split_and_what_was_chosen_is_scored_once(asked: Asking, done: Conducted) -> None:
    assert done.gaps == ()
    trials = {trial.outcome.run for search in done.searches for trial in search.result.trials}
    every = {run.fingerprint: run for run in finished_runs(asked[1])}
    assert len(trials) == 2
    for name in trials:
        assert set(every[name].scores) == {"validation"}
        assert set(every[name].predictions()["split"]) == {"validation"}
    final = [run for name, run in every.items() if name not in trials]
    assert [set(run.scores) for run in final] == [{"validation", "test"}]
    assert {run.fingerprint for run in done.runs} == {run.fingerprint for run in final}


def test_the_trial_with_the_best_validation_score_is_chosen(asked: Asking, done: Conducted) -> None:
    trials = [(Run.of(asked[1], t.outcome.run), t) for t in done.searches[0].result.trials]
    best = max(trials, key=lambda pair: pair[0].scores["validation"]["auroc"].value)[1]
    assert [search.chosen for search in done.searches] == [best.settings]
    assert done.runs[0].about.trained_in == best.outcome.run  # bit for bit its weights
    assert {run.stage["stack"]["layers"][0]["method"]["rank"] for run in done.runs} == {best.settings[RANK]}
    assert [run.name for run in done.runs] == ["lora"]


def test_given_again_a_search_trains_nothing(asked: Asking, done: Conducted, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Run:
        raise AssertionError("nothing is to be trained")

    for module in ("attempt", "searching"):
        monkeypatch.setattr(f"chartune.studies.{module}.run", never)
    assert [run.fingerprint for run in conduct(*asked).runs] == [run.fingerprint for run in done.runs]
    other = Study.parse(asked[0].model_dump() | {"search": {"sampler": "random", "seed": 5}})
    again = conduct(other, asked[1])  # other searches find the runs of the same settings, whatever they are called
    assert [search.chosen for search in again.searches] == [search.chosen for search in done.searches]


def test_a_ledger_carries_a_search_to_another_store(
    asked: Asking, done: Conducted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, trained = tmp_path / "ledger.jsonl", list[str]()
    for module in ("studies.ledger", "report.released"):
        monkeypatch.setattr(f"chartune.{module}.is_exact", lambda *_: True)  # as of a made-up hospital
    conduct(*asked, ledger)  # of a search that was there before
    trials = [trial.outcome.run for trial in done.searches[0].result.trials]
    assert set(read_entries(ledger)) == {*trials, done.runs[0].fingerprint}

    def noted(stage: Any, store: Store) -> Run:
        trained.append(stage.stack.layers[0].method.rank)
        return run(stage, store)

    for module in ("attempt", "searching"):
        monkeypatch.setattr(f"chartune.studies.{module}.run", noted)
    elsewhere = conduct(asked[0], Store(tmp_path / "store").open(), ledger)
    assert (trained, elsewhere.gaps, elsewhere.runs) == ([], (), ())
    assert [entry.fingerprint for entry in elsewhere.listed] == [done.runs[0].fingerprint]
    assert [search.chosen for search in elsewhere.searches] == [done.searches[0].chosen]
    shown, there = elsewhere.searches[0].shown(Store(tmp_path / "store")), done.searches[0].shown(asked[1])
    assert (shown.headline.metric, shown.scores) == (there.headline.metric, there.scores)
    assert chosen_said(shown) == chosen_said(there)
    assert chosen_said(shown).startswith("Chosen by the validation AUROC (0.")

    begun = tmp_path / "begun.jsonl"  # a ledger of one trial: the other one and what is chosen are done here
    begun.write_bytes(next(line for line in ledger.read_bytes().splitlines(True) if trials[1].encode() in line))
    conduct(asked[0], Store(tmp_path / "other").open(), begun)
    chosen = done.searches[0].chosen
    assert chosen is not None
    assert trained == ([2] if chosen[RANK] == 2 else [2, chosen[RANK]])
    assert set(read_entries(begun)) == {*trials, done.runs[0].fingerprint}


def test_a_trial_whose_score_the_ledger_does_not_show_is_made_again(
    asked: Asking, done: Conducted, tmp_path: Path
) -> None:
    conduct(*asked, tmp_path / "ledger.jsonl")
    entries = read_entries(tmp_path / "ledger.jsonl")
    assert {entry.text("validation") for entry in entries.values()} == {"too few to show"}
    data = Artefact("data", "0" * 16, asked[1].root)
    bench = survey(family_of(asked[0])[0], Store(tmp_path / "store").open(), entries).bench(0, data)
    for entry in entries.values():
        assert bench._listed(Identity(entry.kind, entry.revision, entry.settings)) is None


def test_the_standing_says_how_far_a_search_is(asked: Asking, done: Conducted) -> None:
    assert {one.state for one in looked_at(asked).standings.values()} == {"done"}
    more = Study.parse(asked[0].model_dump() | {"search": {"seed": 7}})
    standing = survey(family_of(more)[0], asked[1], {}).standings[0]
    assert (standing.state, standing.why) == ("missing", "its search has made 0 of at most 20 trials")


def test_a_study_of_fewer_trials_chooses_among_its_own_and_leaves_the_others(asked: Asking, done: Conducted) -> None:
    first, second = done.searches[0].result.trials
    few = Study.parse(asked[0].model_dump() | {"search": {**asked[0].search.model_dump(), "trials": 1}})
    (one,) = survey(family_of(few)[0], asked[1], {}).searches.values()
    assert (one.chosen, one.folder) == (first.settings, done.searches[0].folder)
    assert conduct(few, asked[1]).searches[0].result.trials == (first,)
    (whole,) = looked_at(asked).searches.values()
    assert whole.result.trials == (first, second)
    assert whole.chosen == done.searches[0].chosen


def test_a_plan_counts_the_trials_that_are_to_come_once_for_all_seeds(asked: Asking, done: Conducted) -> None:
    base = asked[0].shared["finetune"]["backbone"]["name"]
    seeds = study(asked[0].data, base, {RANK: [2, 4]}, seeds=[0, 1])
    (first, second), _ = forecasts(survey(family_of(seeds)[0], asked[1], {}))
    assert first.done  # and the other seed is trained with what was chosen, not searched again
    assert (second.trainable_parameters, "trials" in second.note) == (done.runs[0].cost.trainable_parameters, False)

    few = {"sampler": "random", "seed": 8, "trials": 3, "fidelity": {"share": 0.5, "promoted": 3}}
    other = survey(family_of(study(asked[0].data, base, {RANK: [2, 4]}, seeds=[1, 0], search=few))[0], asked[1], {})
    (first, second), total = forecasts(other)
    assert "at most 2 trials" in first.note
    assert "chosen by the trials with seed=1" in second.note
    assert first.kept_bytes == 4 * (second.kept_bytes or 0) > 0  # two trials, both of them in full, too
    assert total.cells == 2
    begun = replace(other.searches[0], result=Result(done.searches[0].result.trials[:1]))
    other.searches[0] = begun
    (first, second), _ = forecasts(other)
    assert first.kept_bytes == 3 * (second.kept_bytes or 0)


def test_the_report_shows_every_trial_and_what_was_chosen(asked: Asking, done: Conducted, tmp_path: Path) -> None:
    shown = done.searches[0].shown(asked[1])
    table = trials_table(shown, shown.result.trials, "Trials")
    assert [row[1].text for row in table.rows] == [str(trial.settings[RANK]) for trial in shown.result.trials]
    assert [row[-1].text for row in table.rows].count("chosen") == 1
    assert {row[2].text for row in table.rows} == {"too few to show"}  # six real patients stand behind them
    assert "2 trials of the 2 settings of the space, of which 0 failed" in counted(shown)
    page = study_report(asked[0], asked[1], done.runs, (), tmp_path / "r.html", done.searches).read_text()
    assert chosen_said(shown).split(":")[1] in page
    assert '<section id="searches">' in page


def test_a_failed_trial_leaves_a_search_that_goes_on(asked: Asking, done: Conducted, monkeypatch: Any) -> None:
    def diverging(stage: Any, store: Store) -> Run:
        if stage.stack.layers[0].method.rank == 8:
            raise Diverged("the loss is no longer a number")
        return run(stage, store)

    monkeypatch.setattr(searching, "run", diverging)
    wider = study(asked[0].data, asked[0].shared["finetune"]["backbone"]["name"], {RANK: [2, 8]})
    search = conduct(wider, asked[1]).searches[0]
    assert search.chosen == {RANK: 2}
    table = trials_table(search.shown(asked[1]), search.result.trials, "Trials")
    assert {(row[1].text, row[-1].text, row[-1].detail) for row in table.rows} == {
        ("2", "chosen", ""), ("8", "failed", "the loss is no longer a number"),
    }  # fmt: skip
    nothing = study(asked[0].data, asked[0].shared["finetune"]["backbone"]["name"], {RANK: [8]})
    gap = conduct(nothing, asked[1]).gaps[0]
    assert "each of the 1 trials of its search has failed (the first: the loss is no longer a number)" in gap.why


@pytest.mark.parametrize(("kind", "lower"), [("pretrain", True), ("finetune", False), ("tfidf", False)])
def test_of_perplexities_the_lowest_is_best_and_of_other_scores_the_highest(
    kind: str, lower: bool, asked: Asking, done: Conducted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "identity_of", lambda *_: Identity(kind, 1, {}))
    search = looked_at(asked).bench(0, Artefact("data", "0" * 16, asked[1].root)).look()
    assert search is not None
    assert search.problem.lower_is_better == lower


def test_what_is_wrong_with_the_machine_is_no_failed_trial(asked: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Run:
        raise StoreError("the disk is full")

    monkeypatch.setattr(searching, "run", full)
    base = asked[0].shared["finetune"]["backbone"]["name"]
    stopped = conduct(study(asked[0].data, base, {RANK: [16]}, seeds=[0, 1]), asked[1])
    assert [gap.why for gap in stopped.gaps] == ["the disk is full", "the disk is full"]
    assert [search.result.trials for search in stopped.searches] == [()]  # one search for all seeds
    assert stopped.searches[0].shown(asked[1]).title == "lora"


def test_a_trial_is_never_final_and_idle_settings_keep_the_values_of_the_stage(asked: Asking) -> None:
    space = {"stack.layers.0.method.kind": ["lora", "p-tuning"],
             RANK: {"values": [2, 4], "when": {"stack.layers.0.method.kind": "lora"}}}  # fmt: skip
    cell = study(asked[0].data, "x", space, seeds=[3, 1]).cells()[1]
    assert cell.final
    trial = trial_of(cell, {"stack.layers.0.method.kind": "p-tuning"})
    assert (trial.final, trial.asked["seed"], trial.space) == (False, 3, None)  # all seeds share one search
    assert trial.asked["stack"]["layers"][0]["method"] == {"kind": "p-tuning"}
    chosen = settled(cell, {"stack.layers.0.method.kind": "lora", RANK: 4})
    assert (chosen.final, chosen.asked["seed"], chosen.name) == (True, 1, "lora")
    assert chosen.asked["stack"]["layers"][0]["method"] == {"kind": "lora", "rank": 4}


def test_a_trial_on_a_share_does_that_share_of_the_training_and_is_the_same_stage_else(asked: Asking) -> None:
    whole = family_of(asked[0])[0].stage(0, {}).model_copy(update={"name": "lora"})
    part = searching.shortened(whole, 0.25)
    assert part.optimisation.duration == Duration(value=0.25, unit="steps")
    assert part.name == "lora (25 %)"
    alike = {"name": whole.name, "optimisation": whole.optimisation}
    assert part.optimisation.model_copy(update={"duration": Duration.steps(1)}) == whole.optimisation
    assert part.model_copy(update=alike) == searching.shortened(whole, 1.0) == whole


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"space": {"seed": [0, 1]}}, "`seed` says what is asked, and is no setting"),
        ({"space": {"task": ["mortality"]}}, "`task` says what is asked"),
        ({"space": {"scores_test": [True]}}, "`scores_test` says what is asked"),
        ({"space": {"method.rank": [1], "max_seq_len": [32, 64]}}, "another `max_seq_len` the validation perplexity"),
        ({"space": {"method.rank": [1]}, "grid": {"method.rank": [2]}}, "is an axis of the grid, too"),
        ({"space": {"method.rnk": [1]}}, "method.rnk: not a field"),
        ({"space": {"method.rank": [4, -1]}}, "(?s)method.rank.*greater than 0"),
        ({"space": {"method.rank.x": [4]}}, "method.rank: Input should be a valid integer"),
        ({"space": {}}, "the space of `lora` cannot be searched: a space must map paths"),
        ({"space": {"optimisation.duration.value": [1, 2]}, "share": 0.2}, "a fidelity is a share of"),
    ],
)
def test_a_slip_in_a_space_is_said_before_anything_runs(fields: dict[str, Any], expected: str) -> None:
    search = {"fidelity": {"share": share}} if (share := fields.pop("share", None)) else {}
    stages = {"lora": {"kind": "pretrain", "backbone": {"name": "small-llama"}, **fields}}
    data = {"source": {"kind": "mimic3", "folder": "raw"}}
    with pytest.raises(ConfigError, match=expected):
        Study.parse({"title": "t", "data": data, "stages": stages, "search": search})


@pytest.mark.parametrize("where", ["grid", "space"])
@pytest.mark.parametrize("layers", [[], [{"kind": "frozen", "adapter": "a"}]])
def test_a_rate_of_what_does_not_learn_is_not_varied(where: str, layers: list[Any]) -> None:
    def asked(path: str, layers: list[Any]) -> Study:
        stage = {**LORA, "backbone": {"name": "x"}, "stack": {"layers": layers}, where: {path: [1e-3, 1e-2]}}
        data = {"source": {"kind": "mimic3", "folder": "raw"}}
        return Study.parse({"title": "t", "data": data, "stages": {"head": stage}})

    with pytest.raises(ConfigError, match=r"vary `optimisation\.head_learning_rate`"):
        asked("optimisation.learning_rate", layers)
    assert asked("optimisation.head_learning_rate", layers).cells()
    assert asked("optimisation.learning_rate", [*layers, {"kind": "fresh"}]).cells()


def test_a_budget_is_of_the_study_and_not_of_a_row() -> None:
    stages = {"lora": {"kind": "pretrain", "space": {"method.rank": [2]}, "search": {"trials": 50}}}
    with pytest.raises(ConfigError, match="search: not a field"):
        Study.parse({"title": "t", "data": {"source": {"kind": "mimic3", "folder": "raw"}}, "stages": stages})


SIZES = {"lora": 48, "prefix": 10, "prompt": 10, "p_tuning": 280, "adaptation_prompt": 6}


def test_the_spaces_of_the_paper_have_as_many_settings_as_they_mean() -> None:
    asked = Study.read(Path(__file__).parents[3] / "recipes" / "gema2023" / "search-pretraining.yaml")
    assert {cell.stage: cell.space and cell.space.size for cell in asked.cells()} == SIZES
    assert (asked.search.sampler, asked.search.trials) == ("gp", 20)
    assert all(cell.final for cell in asked.cells())


def test_one_stage_may_have_fewer_trials_than_the_others_and_no_more() -> None:
    data = {"source": {"kind": "mimic3", "folder": "raw"}}
    lora = {**LORA, "backbone": {"name": "x"}, "space": {RANK: [2, 4, 8]}}

    def of(**stages: Any) -> Study:
        return Study.parse({"title": "t", "data": data, "search": {"trials": 3}, "stages": stages})

    cells = of(few={**lora, "trials": 2}, all=lora, none={**lora, "space": None}).cells()
    assert [cell.trials for cell in cells] == [2, 3, 1]
    assert [cell.search and cell.search.trials for cell in cells] == [2, 3, None]
    for wrong in (4, 0, True, "two"):
        with pytest.raises(ConfigError, match="must be a whole number from 1 to 3"):
            of(lora={**lora, "trials": wrong})
    with pytest.raises(ConfigError, match="has no `space`"):
        of(lora={**lora, "space": None, "trials": 2})


def test_a_search_is_made_with_the_trials_of_its_stage(asked: Asking, done: Conducted) -> None:
    shorter = asked[0].model_dump(mode="json")
    shorter["stages"]["lora"]["trials"] = 1
    known = looked_at((Study.parse(shorter), asked[1]))
    assert [search.problem.search.trials for search in known.every_search()] == [1]


def test_a_trial_that_fails_has_spent_what_it_has_spent(
    asked: Asking, done: Conducted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(stage: Any, store: Store) -> Run:
        raise reason

    reason = Diverged("the loss is no longer a number")
    reason.tokens, reason.seconds = 700, 90.0
    monkeypatch.setattr(searching, "run", diverging)
    base = asked[0].shared["finetune"]["backbone"]["name"]
    for budget, count in (({"tokens": 1000}, 2), ({"minutes": 4}, 3)):
        wide = study(asked[0].data, base, {RANK: [3, 5, 6, 7, 9]}, search={"sampler": "grid", "seed": count, **budget})
        conduct(wide, asked[1], None, Journals(), Means(retry_failed=True))
        (search,) = survey(family_of(wide)[0], asked[1], {}).searches.values()
        assert [(trial.tokens, trial.seconds) for trial in search.result.trials] == [(700, 90.0)] * count
        assert search.result.ended == f"the {next(iter(budget))} are spent"


@pytest.mark.parametrize("damaged", ['{"trials": [{"number": 1}]}', '{"trials": 5}', '{"trials": [5]}', "[]", "{"])
def test_damaged_trials_beside_a_journal_are_read_from_the_journal(
    asked: Asking, done: Conducted, damaged: str
) -> None:
    known = done.searches[0]
    (known.folder / "search.json").write_text(damaged)
    (standing,) = looked_at(asked).standings.values()
    assert standing.state != "done"
    assert conduct(*asked).searches[0].result == known.result
    assert looked_at(asked).standings[0].state == "done"


NOTES = {
    "train": ["admitted with chest pain", "and fever"] * 4,
    "validation": ["chest pain and fever", "a fall on stairs"],
}
CANARY = "zebrafinch7719"


def pretrained(llama: LocalBackbone, place: Path, test: list[str]) -> Conducted:
    data = json.loads(reports({**NOTES, "test": test}, place / "raw", place / "lists").model_dump_json())
    shared = {"backbone": {"name": str(llama.folder)}, "max_seq_len": 16, "numerics": {"precision": "fp32"}}
    once = {"kind": "pretrain", "optimisation": {"duration": {"value": 1, "unit": "steps"}}}
    lora = {**once, "space": {"method.rank": [2, 4]}}
    study = Study.parse({"title": "t", "data": data, "shared": {"pretrain": shared}, "stages": {"lora": lora}})
    return conduct(study, Store(place / "store").open())


def test_no_trial_of_pretraining_reads_the_test_split(
    llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    seen: list[bool] = []

    def noted(texts: list[str], *arguments: Any, **named: Any) -> Any:
        read.extend(texts)
        return encode_once(texts, *arguments, **named)

    def trial(stage: Any, store: Store) -> Run:
        read.clear()
        done = run(stage, store)
        seen.append(any(CANARY in text for text in read))
        return done

    monkeypatch.setattr(texts, "encode_once", noted)
    monkeypatch.setattr(searching, "run", trial)
    pretrained(llama, tmp_path, [f"{CANARY} and fever"] * 2)
    assert seen == [False, False]
    assert any(CANARY in text for text in read)  # what was chosen is scored on it


@pytest.mark.slow
def test_other_test_notes_change_no_score_of_a_trial_and_nothing_of_what_is_chosen(
    llama: LocalBackbone, tmp_path: Path
) -> None:
    every = [
        pretrained(llama, tmp_path / name, [text] * 3)
        for name, text in (("one", "a stroke"), ("other", f"chest pain and fever, {CANARY}"))
    ]
    one, other = (done.searches[0] for done in every)
    assert [(trial.settings, trial.score) for trial in one.result.trials] == [
        (trial.settings, trial.score) for trial in other.result.trials
    ]
    assert one.chosen == other.chosen
    assert every[0].runs[0].scores["test"] != every[1].runs[0].scores["test"]
