"""`settings_of`: a stage takes what the search of another has chosen, on a task, seed or data of its own."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chartune.errors import ConfigError
from chartune.models.backbone import LocalBackbone
from chartune.search.loop import Result
from chartune.store import Store
from chartune.studies.cell import lender
from chartune.studies.claims import tried
from chartune.studies.conduct import conduct
from chartune.studies.forecast import forecasts
from chartune.studies.parents import family_of
from chartune.studies.standing import survey
from chartune.studies.study import Study
from chartune.testing.short_texts import short_texts

RANK = "stack.layers.0.method.rank"
LORA = {"kind": "finetune", "stack": {"layers": [{"kind": "fresh", "method": {"kind": "lora"}}]}}
TINY = {"max_seq_len": 32, "task": "mortality", "optimisation": {"learning_rate": 1e-2,
        "duration": {"value": 1, "unit": "steps"}}}  # fmt: skip


def study(data: Any, base: str, **stages: Any) -> Study:
    """The stages behind one that is searched."""
    searched = {**LORA, "space": {RANK: [2, 4]}, "grid": {"seed": [0]}}
    return Study.parse({"title": "t", "data": data, "shared": {"finetune": {**TINY, "backbone": {"name": base}}},
                        "stages": {"lora": searched, **stages}})  # fmt: skip


BORROWED = {**LORA, "settings_of": "lora", "grid": {"seed": [1, 2]}}


def test_what_a_search_has_chosen_is_taken_by_other_seeds_and_waited_for(
    llama: LocalBackbone, store: Store, tmp_path: Any
) -> None:
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    asked = study(data, str(llama.folder), other={**BORROWED, "grid": {"seed": [1]}})
    family = family_of(asked)[0]
    forecast = {one.cell: one for one in forecasts(survey(family, store, {}))[0]}
    assert "first point of `lora`" in forecast["other (seed=1)"].note
    done = conduct(asked, store)
    assert done.gaps == ()
    chosen, = (search.chosen for search in done.searches)  # fmt: skip
    assert chosen is not None
    ranks = [run.stage["stack"]["layers"][0]["method"]["rank"] for run in done.runs]
    assert ranks == [chosen[RANK]] * 2
    assert [run.stage["seed"] for run in done.runs] == [0, 1]
    unsearched = survey(family, store, {})
    unsearched.searches = {n: replace(one, result=Result(())) for n, one in unsearched.searches.items()}
    assert unsearched.settled(1) is None  # so that nothing is trained at a point that nobody chose
    other = next(trial for trial in done.searches[0].result.trials if trial.settings != chosen)
    unsearched.searches = {0: replace(done.searches[0], result=replace(done.searches[0].result, trials=(other,)))}
    settled = unsearched.settled(1)
    assert settled is not None
    assert settled.asked["stack"]["layers"][0]["method"]["rank"] == other.settings[RANK] != chosen[RANK]


def test_without_a_search_that_has_chosen_nothing_is_trained(
    llama: LocalBackbone, store: Store, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chartune.studies import searching

    def fails(*_: Any) -> Any:
        raise ConfigError("it is refused.")

    monkeypatch.setattr(searching, "run", fails)
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    done = conduct(study(data, str(llama.folder), other=BORROWED), store)
    assert done.runs == ()
    assert [gap.why for gap in done.gaps[1:]] == ["its settings are those of `lora`, which has none"] * 2


def test_a_lender_is_the_search_that_agrees_on_common_axes_but_for_the_seed(llama: LocalBackbone) -> None:
    data = {"source": {"kind": "mimic3", "folder": "raw"}}
    both = {**LORA, "space": {RANK: [2, 4]}, "grid": {"task": ["mortality", "length_of_stay"], "seed": [0, 5]}}
    lends = {**BORROWED, "settings_of": "both", "grid": {"task": ["length_of_stay"], "seed": [7]}}
    cells = dict(enumerate(study(data, str(llama.folder), both=both, lends=lends).cells()))
    number = lender(cells[len(cells) - 1], cells)
    assert number is not None
    assert (cells[number].stage, cells[number].axes) == ("both", {"task": "length_of_stay", "seed": 0})
    with pytest.raises(ConfigError, match="of `both`, which `open` names, 2 fit"):
        lender(replace(cells[len(cells) - 1], stage="open", axes={}), cells)
    assert tried("lends", cells) == 2  # as many settings as its lender has tried


@pytest.mark.parametrize(("stage", "why"), [
    ({**BORROWED, "settings_of": "later"}, "must name a stage with a `space`, written before it"),
    ({**BORROWED, "space": {RANK: [2, 4]}}, "its own `space` chooses its settings"),
    ({"kind": "finetune", "settings_of": "lora", "stack": {"layers": []}}, "the settings of `lora` must suit it"),
])  # fmt: skip
def test_settings_that_cannot_be_taken_are_refused_at_once(stage: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        study({"source": {"kind": "mimic3", "folder": "raw"}}, "base", other=stage)
