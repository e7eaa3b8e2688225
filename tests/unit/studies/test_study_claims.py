"""Claims of a study: what may be claimed, what is locked before a test split is scored, and what runs say of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from chartune.errors import ConfigError, StoreError
from chartune.report.claims import LATE
from chartune.runs.locks import hash_of, locked, locked_at
from chartune.store import Store
from chartune.studies.claim_runs import asked_claims
from chartune.studies.claims import locked_content
from chartune.studies.conduct import conduct
from chartune.studies.parents import family_of
from chartune.studies.report import study_report
from chartune.studies.standing import survey
from chartune.studies.study import Study
from chartune.testing.short_texts import short_texts

WORDS = {"kind": "tfidf", "name": "single words", "longest_ngram": 1, "least_documents": 1, "strengths": [1.0]}
PAIRS = {**WORDS, "name": "pairs", "longest_ngram": 2}
CLINICAL = {"kind": "pretrain", "backbone": {"name": "small-llama"}}
STACKED = {"kind": "finetune", "backbone": {"name": "small-llama"}, "grid": {"seed": [0, 1], "task": ["mortality"]},
           "stack": {"layers": [{"kind": "frozen", "adapter": {"from": "clinical"}}]}}  # fmt: skip
CLAIM = {"says": "Pairs of words say more.", "ours": "pairs", "against": ["words"]}
STAGES: dict[str, Any] = {"words": WORDS, "pairs": PAIRS}
DATA = {"source": {"kind": "mimic3", "folder": "raw"}}


def study(claim: dict[str, Any] | None = None, data: Any = DATA, **fields: Any) -> Study:
    claims = {"pairs_help": {**CLAIM, **(claim or {})}}
    return Study.parse({"title": "t", "data": data, "stages": STAGES, "claims": claims, **fields})


RATES = {**WORDS, "grid": {"strengths": [[1.0], [10.0]]}}


@pytest.mark.parametrize(
    ("claim", "stages", "why"),
    [
        ({"ours": "triples"}, STAGES, "a claim must name stages of the study (words, pairs), but names 'triples'"),
        ({"direction": "alike"}, STAGES, "needs a `margin` above 0"),
        ({"tasks": ["mortality"]}, STAGES, "must have its tasks, but `pairs` lacks mortality"),
        ({"ours": "rates"}, {**STAGES, "rates": RATES}, "must mean one setting, but `rates` means 2"),
        ({"ours": {"stage": "rates", "strengths": [1.0]}, "budget": "equal"}, {**STAGES, "rates": RATES},
         "as many settings must be tried on every side, but they are `rates` 2, `words` 1; or say `budget: any`"),
        ({}, {**STAGES, "rates": RATES}, "must be scored on the test split; name its stages as `final`"),
        ({"ours": "clinical"}, {**STAGES, "clinical": CLINICAL}, "but a side is of kind pretrain"),
        ({"ours": "stacked"}, {**STAGES, "clinical": CLINICAL, "stacked": STACKED}, "must have the same tasks"),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_is_refused_with_the_reason(
    claim: dict[str, Any], stages: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        study(claim, stages=stages)
    assert why in str(refused.value)


def test_a_claim_about_a_chosen_setting_counts_those_it_was_chosen_from() -> None:
    stages = {**STAGES, "rates": RATES}
    ours = {"stage": "rates", "strengths": [1.0]}
    study({"ours": ours, "budget": "any"}, stages=stages, test="all")


def content(asked: Study) -> str:
    return hash_of(locked_content(asked.claims, asked.claims_error, asked))


def test_the_hash_is_of_the_claims_and_of_the_stages_that_they_name() -> None:
    plain = content(study())
    assert content(study(stages={**STAGES, "unnamed": WORDS})) == plain
    assert content(study({"margin": 0.01})) != plain
    assert content(study(claims_error=0.01)) != plain
    assert content(study(stages={**STAGES, "words": {**WORDS, "least_documents": 2}})) != plain
    stacked = {"ours": "stacked", "against": ["stacked"]}
    below = [content(study(stacked, stages={**STAGES, "clinical": {**CLINICAL, "seed": seed}, "stacked": STACKED}))
             for seed in (0, 1)]  # fmt: skip
    assert below[0] != below[1]  # a stage that is built on counts


def test_claims_are_locked_before_the_test_split_is_scored_and_decided_afterwards(tmp_path: Path) -> None:
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    store = Store(tmp_path / "store").open()
    asked = study(data=data)
    done = conduct(asked, store)
    name = content(asked)
    assert locked(store) == (name,)
    assert locked_at(store, name) <= min(run.about.finished or "" for run in done.runs)
    assert [run.about.claims for run in done.runs] == [(name,)] * 2
    page = study_report(asked, store, done.runs, (), tmp_path / "r.html", claims=done.claims).read_text()
    assert "Pairs of words say more." in page
    assert name in page
    assert LATE not in page

    later = study({"margin": 0.5}, data=data)  # once the test scores are known
    conducted = conduct(later, store)
    page = study_report(later, store, conducted.runs, (), tmp_path / "r.html", claims=conducted.claims).read_text()
    assert LATE in page
    assert asked_claims(survey(family_of(later)[0], store, {})) == conducted.claims


def test_a_lock_that_was_changed_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "store").open()
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    conduct(study(data=data), store)
    (file,) = (store.root / "claims").iterdir()
    about = json.loads(file.read_text())
    file.write_text(json.dumps({**about, "error": 0.2}))
    assert (locked(store), locked_at(store, file.stem)) == ((), "")
    with pytest.raises(StoreError, match=rf"must stay as they were written, but .*{file.name} no longer"):
        conduct(study(data=data), store)
