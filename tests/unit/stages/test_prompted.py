"""Prompted: equal to transformers on the whole prompt, chosen on the validation split alone, and read like any run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM

from chartune.batches.tokenize import load_tokenizer
from chartune.errors import AdapterError, ConfigError, DataError
from chartune.models.backbone import LocalBackbone
from chartune.notes.text_pair import TextPair
from chartune.runner import run
from chartune.runs.run import Run
from chartune.stages import asking, prompted
from chartune.stages.evaluating import Evaluate, evaluate
from chartune.stages.loading import load
from chartune.stages.prompted import Prompted
from chartune.store import Store
from chartune.testing.command_line import chartune
from chartune.testing.short_texts import short_texts
from chartune.testing.text_pairs import write_pairs

EXACT = {"precision": "fp32", "attention": "eager"}


@pytest.fixture(scope="module", autouse=True)
def unplanned() -> Iterator[None]:
    with patch("chartune.runner._planned", lambda *_: {}):
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prompted")


@pytest.fixture(scope="module")
def data(place: Path) -> Any:
    return short_texts(place / "raw", place / "lists")


def stage(data: Any, base: LocalBackbone, **fields: Any) -> Prompted:
    given = {"data": data, "backbone": {"name": str(base.folder)}, "numerics": EXACT, "max_seq_len": 128}
    return Prompted.parse({**given, **fields})


@pytest.fixture(scope="module")
def asked(place: Path, data: Any, llama: LocalBackbone) -> Run:
    """With an example, chosen among two templates."""
    templates = ("{text}\nAnswer: {label}", "Note: {text}\nDoes the patient live? {label}")
    one = stage(data, llama, templates=templates, examples=(1, 0), instruction="Outcome of the stay", example_tokens=6,
                verbalizers={"died": "no, died"})  # fmt: skip
    return run(one, Store(place / "store").open())


@pytest.fixture(scope="module")
def shown(place: Path, data: Any, llama: LocalBackbone) -> Run:
    """With an example, and one template."""
    one = stage(data, llama, templates=("Note: {text}\nDoes the patient live? {label}",), examples=(1,),
                instruction="Outcome of the stay", example_tokens=30, max_seq_len=160,
                verbalizers={"died": "no, died"})  # fmt: skip
    return run(one, Store(place / "store").open())


def texts_of(run: Run, store: Store, split: str) -> pl.DataFrame:
    data = store.find("data", run.data or "")
    assert data is not None
    return pl.read_parquet(data.path / "mortality.parquet").filter(pl.col("split") == split).sort("hadm_id")


def test_it_equals_transformers_on_the_whole_prompt(shown: Run, place: Path, llama: LocalBackbone) -> None:
    model = AutoModelForCausalLM.from_pretrained(llama.folder, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer, store, prompt = load_tokenizer(llama), Store(place / "store"), shown.about.prompt
    assert prompt is not None
    assert prompt["verbalizers"] == ["survived", "no, died"]
    before = prompt["instruction"]
    train = texts_of(shown, store, "train")
    labels = train["label"].to_numpy()
    place_of = int(asking.drawn(labels, 2, 1, 0)[0])
    ids = tokenizer(train["text"][place_of], add_special_tokens=False, return_offsets_mapping=True)
    beginning = train["text"][place_of][: ids["offset_mapping"][29][1]]
    assert "number" in beginning  # no other text begins so
    filled = prompt["template"].replace("{text}", beginning)
    before += "\n\n" + filled.replace("{label}", prompt["verbalizers"][labels[place_of]])

    def score(text: str, word: str) -> float:
        context = f"{before}\n\n{prompt['template'].removesuffix(' {label}').replace('{text}', text)}"
        start, ids = (tokenizer(each)["input_ids"] for each in (context, f"{context} {word}"))
        assert len(ids) <= 160
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        return float(np.mean([logits[at - 1, ids[at]] for at in range(len(start), len(ids))]))

    for split in ("validation", "test"):
        texts = texts_of(shown, store, split)["text"]
        odds = [score(text, "no, died") - score(text, "survived") for text in texts]
        np.testing.assert_allclose(shown.predictions(split)["logit"], odds, rtol=1e-4, atol=1e-4)


def test_the_prompt_is_the_one_that_does_best_on_the_validation_split(asked: Run) -> None:
    prompt = asked.about.prompt
    assert prompt is not None
    tried = prompt["tried"]
    assert len(tried) == 4
    best = max(tried, key=lambda one: one["validation"])
    assert (prompt["template"], prompt["examples"]) == (best["template"], best["examples"])
    assert len({one["validation"] for one in tried}) > 1
    assert asked.about.texts == prompt["examples"]
    assert asked.about.stack_title == f"prompted, {prompt['examples'] or 'no'} examples"


def test_the_test_split_is_read_once_and_with_the_chosen_prompt_alone(
    data: Any, llama: LocalBackbone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, seen = prompted._read, []

    def watched(one: Any, table: Any, split: str) -> Any:
        seen.append((split, one.prompter.wording.template))
        return read(one, table, split)

    monkeypatch.setattr(prompted, "_read", watched)
    templates = ("{text}\nA: {label}", "{text}\nOutcome: {label}")
    done = run(stage(data, llama, templates=templates), store)
    assert done.about.prompt is not None
    assert [split for split, _ in seen] == ["validation", "validation", "test"]
    assert seen[-1][1] == done.about.prompt["template"]
    closed = run(stage(data, llama, templates=templates, scores_test=False), store)
    assert [split for split, _ in seen[3:]] == ["validation", "validation"]
    assert not closed.final


def test_a_run_reads_new_texts_as_its_own(asked: Run, place: Path) -> None:
    store = Store(place / "store")
    scorer = load(asked, store)
    texts = texts_of(asked, store, "test")["text"].to_list()
    read = scorer.read(texts)
    assert read.decided.tolist() == asked.predictions("test")["logit"].to_list()
    assert scorer.lengths(texts).tokens.tolist() == read.tokens.tolist()
    assert scorer.numerics["precision"] == "fp32"


def test_examples_are_drawn_by_the_seed_in_turn_from_each_class() -> None:
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])
    for seed in range(5):
        four, six, every = (asking.drawn(labels, 3, count, seed) for count in (4, 6, 20))
        assert sorted(labels[four[:3]].tolist()) == [0, 1, 2]
        assert sorted(labels[six[3:5]].tolist()) == [0, 1]
        assert six[:4].tolist() == four.tolist()
        assert sorted(every.tolist()) == list(range(9))
    assert len({tuple(asking.drawn(labels, 3, 4, seed).tolist()) for seed in range(8)}) > 3
    assert asking.drawn(labels, 3, 0, 0).tolist() == []


def test_long_labels_are_behind_without_means_and_calibration_divides_by_texts_without_content(
    data: Any, llama: LocalBackbone, store: Store
) -> None:
    fields: dict[str, Any] = {
        "verbalizers": {"died": "fever and pain and fever"},
        "templates": ["{text}\nAnswer: {label}"],
    }
    sums, means, weighed = (
        run(stage(data, llama, **fields, **how), store).predictions("test")["logit"].to_numpy()
        for how in ({"normalised": False}, {"normalised": True}, {"normalised": False, "calibrated": True})
    )
    assert abs(means).max() < abs(sums).min()
    one = load(run(stage(data, llama, **fields, normalised=False), store), store).questioner  # type: ignore[union-attr]
    free = one.logits(one.asked(["N/A", "[MASK]", ""]))
    shares = np.exp(free) / np.exp(free).sum(axis=1, keepdims=True)
    offset = np.log(shares.mean(axis=0))
    np.testing.assert_allclose(weighed, sums - (offset[1] - offset[0]), rtol=1e-6)


def rows(folder: Path, kinds: list[str]) -> dict[str, Any]:
    """A table of 120 texts with these labels in turn."""
    made = [{"subject_id": f"P{n}", "text": f"{n} fever", "label": kinds[n % len(kinds)]}
            for n in range(120)]  # fmt: skip
    pl.DataFrame(made).write_csv(folder / "notes.csv")
    return {"source": {"kind": "tabular", "file": str(folder / "notes.csv")}}


def test_several_classes_are_scored_by_their_titles(llama: LocalBackbone, store: Store, tmp_path: Path) -> None:
    done = run(stage(rows(tmp_path, ["fall", "fever", "pain"]), llama, examples=[2]), store)
    assert done.about.prompt is not None
    assert done.about.prompt["instruction"].endswith(": fall, fever, pain?")
    frame = done.predictions("test")
    assert len(frame["logits"][0]) == 3
    assert done.about.answer == "multiclass"
    with pytest.raises(ConfigError, match="`verbalizers` must name labels"):
        run(stage(rows(tmp_path, ["fall", "fever", "pain"]), llama, verbalizers={"stroke": "x"}), store)


def test_other_data_are_asked_about_by_the_same_prompt(llama: LocalBackbone, store: Store, tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    done = run(stage(rows(own, ["fall", "fever", "pain"]), llama, examples=[2]), store)
    there = evaluate(Evaluate.parse({"data": rows(other, ["pain", "fever", "stroke"]), "run": done.fingerprint}), store)
    assert there.about.stack_title == done.about.stack_title == "prompted, 2 examples"
    frame = there.predictions("test")
    assert frame.height == 80
    assert frame["label"].n_unique() == 2
    assert load(done, store).decided(["2 fever"]).shape == (1, 3)


def test_of_pairs_both_sides_are_asked_about(llama: LocalBackbone, store: Store, tmp_path: Path) -> None:
    sizes = (("train", 12), ("dev", 12), ("test", 12))
    corpus = {
        "source": {"kind": "pairs", "folder": str(write_pairs(tmp_path / "raw", sizes=sizes))},
        "near_copies": None,
    }
    done = run(stage(corpus, llama, calibrated=True), store)
    assert done.about.prompt is not None
    assert "{text_pair}" in done.about.prompt["template"]
    texts = [TextPair(f"{n} fever", f"fall {n}") for n in (3, 4)]
    odds = load(done, store).decided(texts)
    assert odds.shape == (2,)
    assert load(done, store).decided([texts[0]._replace(second="stroke")]) != odds[:1]
    with pytest.raises(DataError, match="asks about pairs"):
        load(done, store).read(["fever"])


def test_what_a_prompt_cannot_ask_is_refused(
    data: Any, llama: LocalBackbone, bert: LocalBackbone, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(AdapterError, match="causal model"):
        run(stage(data, bert), store)
    with pytest.raises(ConfigError, match="asked of single texts"):
        run(stage(data, llama, templates=["{text}\n{text_pair}\nA: {label}"]), store)
    with pytest.raises(ConfigError, match="0 examples or more"):
        stage(data, llama, examples=[-1])
    with pytest.raises(ConfigError, match="a template must have"):
        stage(data, llama, templates=["{text} {label}"])


@pytest.mark.slow
def test_the_command_line_asks_reports_and_predicts(llama: LocalBackbone, tmp_path: Path) -> None:
    rows(tmp_path, ["better", "worse"])
    base, store = ["--base", llama.folder], ["--store", tmp_path / "store"]
    said = chartune("finetune", tmp_path / "notes.csv", "--method", "prompted", *base, *store, "--max-length", "90",
                    "--set", "examples=[0,1]", "--set", "example_tokens=4", "--json")  # fmt: skip
    assert said.code == 0, said.err
    told = json.loads(said.out)
    name = Path(told["folder"]).name
    out = tmp_path / "predictions.csv"
    assert chartune("predict", name, tmp_path / "notes.csv", "--out", out, *store).code == 0
    assert pl.read_csv(out).height == 120
    page = tmp_path / "report.html"
    assert chartune("report", "--out", page, *store).code == 0
    assert "Prompted llama" in page.read_text()
    refused = chartune("plan", "finetune", tmp_path / "notes.csv", "--method", "prompted", *base, *store)
    assert "its time is about" in refused.err
    stacked = chartune("finetune", tmp_path / "notes.csv", "--method", "prompted", "--clinical", "x", *base, *store)
    assert "asks a base model as it came" in stacked.err
