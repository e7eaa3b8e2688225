"""Explanations: sentences left out in turn, what a planted model makes of them, and what is not read."""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import polars as pl
import pytest

from chartune.answers import ANY_OF, BINARY, ONE_OF, Answer
from chartune.metrics.recalibrators import Calibration
from chartune.notes.sentences import Span, sentences
from chartune.notes.traced import Traced
from chartune.prediction.outputs import Origin, Outputs
from chartune.prediction.scorer import Reading
from chartune.serving.asked import Limits
from chartune.serving.bank import Bank
from chartune.serving.bank_file import bank_of, named_runs
from chartune.serving.explain import log_odds, occlusion, probability_of
from chartune.serving.explain_route import LOT
from chartune.serving.metrics import Metrics
from chartune.serving.queue import Queue
from chartune.serving.service import service
from chartune.stages.finetune import Finetune, finetune
from chartune.store import Store
from chartune.testing.asked import ask
from chartune.testing.served_runs import WORDS as WORDS_OF_NOTES
from chartune.testing.served_runs import Served

NOTE: Final = (
    "Seen in the ward. He has septic shock.\n\nWife at the bedside. Feels stable and is afebrile now. Lives alone 😀. "
    "Walks far."
)
WORDS: Final = {"septic": 3.0, "shock": 1.0, "stable": -1.5, "afebrile": -0.5}
RARE: Final = "zebrafinch"


class PlantedBank:
    """A bank whose one task adds up known words of the first `size` words of a text."""

    def __init__(self, form: Answer = BINARY, labels: Sequence[str] = ("survived", "died"), size: int = 99) -> None:
        learnt = SimpleNamespace(stage={}, form=form)
        calibration = Calibration(kind="platt" if form is BINARY else "temperature", slope=0.5, intercept=0.25)
        outputs = Outputs(Origin("planted", "f" * 16, None), tuple(labels), tuple(labels), form, calibration)
        scorer: Any = SimpleNamespace(
            **vars(outputs), run=learnt, of_pairs=False, max_seq_len=size, long=SimpleNamespace(kind="first", most=1),
            recalibrates=outputs.recalibrates, recalibrated=outputs.recalibrated, probability=outputs.probability,
        )  # fmt: skip
        self.tasks: Any = (SimpleNamespace(name="planted", handle="planted", scorer=scorer),)
        self.size, self.seen = size, list[list[str]]()

    def held(self, choose: Callable[[], Any]) -> Any:
        return nullcontext(choose())

    def read(self, asked: dict[str, list[str]]) -> dict[str, Reading]:
        self.seen.append(texts := asked["planted"])
        odds = np.asarray([
            sum(WORDS.get(word, 0) for word in re.findall(r"\S+", text)[: self.size] for word in [word.strip(".,")])
            for text in texts
        ])  # fmt: skip
        form = self.tasks[0].scorer.form
        width = len(self.tasks[0].scorer.labels)
        decided = odds if form is BINARY else np.stack([odds * k + np.sin(k) for k in range(width)], axis=1)
        none = np.zeros(len(texts), dtype=np.int64)
        return {"planted": Reading(decided, none, none, none.astype(np.int32), none > 0)}

    def places_read(self, _: str, text: str) -> list[Span]:
        ends = [match.end() for match in re.finditer(r"\S+", text)]
        return [Span(0, ends[self.size - 1] if len(ends) > self.size else len(text))]


class Unwatched(Metrics):
    def watch_bank(self, _: Any) -> None: ...


def explained(bank: Any, body: dict[str, Any], limits: Limits = Limits()) -> Any:  # noqa: B008
    queue = Queue(bank, limits.queue, metrics=Unwatched())
    try:
        return ask(service(bank, limits, queue), "POST", "/v1/explain", {"task": "planted", **body})
    finally:
        queue.close()


def test_the_sentence_with_the_words_that_count_comes_first_and_changes_are_those_of_the_words() -> None:
    bank = PlantedBank()
    said = explained(bank, {"text": NOTE})
    assert said.status == 200, said.text
    parts = said.body["parts"]
    quoted = [NOTE[part["start"] : part["end"]] for part in parts]
    assert quoted == [NOTE[slice(*span)] for span in sentences(NOTE)]
    shifts = dict(zip(quoted, [part["log_odds_change"] for part in parts], strict=True))
    assert shifts.pop("He has septic shock.") == pytest.approx(0.5 * 4)  # recalibrated: by the slope
    assert shifts.pop("Feels stable and is afebrile now.") == pytest.approx(-0.5 * 2)
    assert list(shifts.values()) == [pytest.approx(0)] * 4
    assert (said.body["label"], said.body["log_odds"]) == ("died", pytest.approx(0.25 + 0.5 * 2))
    assert said.body["probability"] == pytest.approx(1 / (1 + np.exp(-1.25)))
    assert said.body["not_read"] == []
    for part in parts:
        without = said.body["log_odds"] - part["log_odds_change"]
        assert said.body["probability"] - part["probability_change"] == pytest.approx(1 / (1 + np.exp(-without)))
    assert sum(part["log_odds_change"] for part in parts) == pytest.approx(
        0.5 * sum(WORDS.values())
    )  # it adds up words
    assert RARE not in said.text
    assert not any(word in said.text for word in NOTE.replace(".", "").split() if len(word) > 5)


def test_the_other_class_has_the_opposite_change() -> None:
    died, survived = (explained(PlantedBank(), {"text": NOTE, "label": each}).body for each in ("died", "survived"))
    assert survived["probability"] == pytest.approx(1 - died["probability"])
    for one, other in zip(died["parts"], survived["parts"], strict=True):
        assert one["log_odds_change"] == pytest.approx(-other["log_odds_change"])
        assert one["probability_change"] == pytest.approx(-other["probability_change"])


@pytest.mark.parametrize("form", [ONE_OF, ANY_OF])
def test_of_many_labels_the_most_probable_is_explained_or_the_one_asked_for(form: Answer) -> None:
    labels = ("a", "b", "c")
    said = explained(PlantedBank(form, labels), {"text": NOTE}).body
    other = explained(PlantedBank(form, labels), {"text": NOTE, "label": "b"}).body
    assert (said["label"], other["label"]) == ("c", "b")
    assert said["probability"] > other["probability"]
    top = max(said["parts"], key=lambda part: part["log_odds_change"])
    assert NOTE[top["start"] : top["end"]] == "He has septic shock."


@pytest.mark.parametrize(("form", "shape"), [(BINARY, (50,)), (ONE_OF, (50, 4)), (ANY_OF, (50, 4))])
def test_log_odds_are_those_of_the_probability(form: Answer, shape: tuple[int, ...]) -> None:
    decided = np.random.default_rng(0).normal(0, 3, shape)
    labels = ("a", "b", "c", "d")[: 2 if len(shape) == 1 else 4]
    for calibration in (None, Calibration(kind="platt", slope=0.3, intercept=0.7 if form is BINARY else 0.0)):
        outputs = Outputs(Origin("a run", "f", None), labels, labels, form, calibration)
        for label in range(len(labels)):
            p = probability_of(outputs, decided, label)
            assert log_odds(outputs, decided, label) == pytest.approx(np.log(p / (1 - p)))


def test_what_is_not_read_is_named_and_does_not_move_up() -> None:
    text = "Well. Stable now. Feels fine and septic. Septic shock 😀. More septic."
    bank = PlantedBank(size=5)  # "Well. Stable now. Feels fine"
    said = explained(bank, {"text": text}).body
    assert [(text[part["start"] : part["end"]], part["read"]) for part in said["parts"]] == [
        ("Well.", "whole"), ("Stable now.", "whole"), ("Feels fine and septic.", "part"),
    ]  # fmt: skip
    assert [text[place["start"] : place["end"]] for place in said["not_read"]] == ["Septic shock 😀. More septic."]
    assert [text[place["start"] : place["end"]] for place in said["read"]] == ["Well. Stable now. Feels fine"]
    assert (said["sentences"], said["not_read"][0]["sentences"]) == (5, 2)
    assert [each for lot in bank.seen for each in lot] == [
        text,
        "Stable now. Feels fine",
        "Well. Feels fine",
        "Well. Stable now.",
    ]


def test_a_gap_between_what_is_read_is_kept_as_a_line_and_no_part_goes_over_it() -> None:
    text = "One aa. Two bb. Three cc. Four dd. Five ee."
    read = [Span(0, 15), Span(27, len(text))]  # "Four dd" is read without its F
    made = occlusion(Traced.of(text), read, 4)
    assert [(text[slice(*piece.span)], piece.whole) for piece in made.pieces] == [
        ("One aa.", True), ("Two bb.", True), ("Four dd.", False), ("Five ee.", True),
    ]  # fmt: skip
    assert made.texts[1:] == (
        "Two bb.\nour dd. Five ee.", "One aa. \nour dd. Five ee.",
        "One aa. Two bb.\nFive ee.", "One aa. Two bb.\nour dd.",
    )  # fmt: skip
    assert [text[slice(*span)] for span, _ in made.unread] == ["Three cc."]
    joined = [text[slice(*piece.span)] for piece in occlusion(Traced.of(text), read, 2).pieces]
    assert joined == ["One aa. Two bb.", "Four dd. Five ee."]
    assert len(occlusion(Traced.of(text), read, 1).pieces) == 1
    uneven = [Span(0, 7), Span(16, len(text))]  # "Two bb" is not read: one sentence, a gap, three
    parts = [text[slice(*piece.span)] for piece in occlusion(Traced.of(text), uneven, 2).pieces]
    assert parts == ["One aa.", "Three cc. Four dd. Five ee."]


def test_neighbours_are_left_out_together_where_there_are_many() -> None:
    text = " ".join(f"Word {'septic' if n == 50 else 'x'} is said." for n in range(100))
    said = explained(PlantedBank(size=9999), {"text": text}).body
    assert (said["sentences"], len(said["parts"]), said["grouped"]) == (100, 64, True)
    assert sum(part["sentences"] for part in said["parts"]) == 100
    few = explained(PlantedBank(size=9999), {"text": text, "most": 7}).body
    assert len(few["parts"]) == 7
    top = max(few["parts"], key=lambda part: part["log_odds_change"])
    assert "septic" in text[top["start"] : top["end"]]
    tight = explained(PlantedBank(size=9999), {"text": text}, Limits(tokens=3000)).body
    assert 2 <= len(tight["parts"]) < 7
    assert explained(PlantedBank(size=9999), {"text": text}, Limits(tokens=1500)).status == 422


def test_places_are_those_of_the_text_as_it_was_sent() -> None:
    text = "  He is well 😀.\\n\\nSeptic shock.\\r\\n\\r\\nStable. "
    said = explained(PlantedBank(size=5), {"text": text}).body
    assert [text[part["start"] : part["end"]] for part in said["parts"]] == ["He is well 😀.", "Septic shock."]
    assert [text[slice(each["start"], each["end"])] for each in said["not_read"]] == ["Stable."]
    assert text[slice(*said["read"][0].values())] == "He is well 😀.\\n\\nSeptic"


def test_where_a_note_is_read_costs_no_reading() -> None:
    bank = PlantedBank(size=5)
    said = explained(bank, {"text": NOTE, "most": 0}).body
    assert (said["label"], said["probability"], said["parts"], bank.seen) == (None, None, [], [])
    assert said["read"] == [{"start": 0, "end": 20}]


def test_a_note_of_one_sentence_has_nothing_beside_it() -> None:
    said = explained(PlantedBank(), {"text": "Septic."}).body
    assert [(part["probability_change"], part["log_odds_change"]) for part in said["parts"]] == [(None, None)]
    assert said["probability"] > 0.5


def test_an_explanation_waits_lot_by_lot_so_that_scoring_goes_between() -> None:
    bank = PlantedBank(size=9999)
    text = " ".join(f"Word number {n} is said here once more." for n in range(60))
    explained(bank, {"text": text})
    assert len(bank.seen) > 5
    for texts in bank.seen:
        assert sum(len(text.encode()) // 3 + 2 for text in texts) <= LOT


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": RARE, "task": RARE}, 404),
        ({"text": RARE, "label": RARE}, 422),
        ({"text": RARE, "most": 65}, 422),
        ({"text": RARE, "most": -1}, 422),
        ({"text": "  "}, 422),
        ({"text": [RARE]}, 422),
        ({"text": RARE, RARE: RARE}, 422),
        ({"notes": [{"text": RARE}]}, 422),
    ],
)
def test_what_is_refused_is_refused_without_a_word_of_it(body: dict[str, Any], status: int) -> None:
    said = explained(PlantedBank(), body)
    assert said.status == status, said.text
    assert RARE not in said.text + str(said.headers)


@pytest.fixture(scope="module")
def bank(served: Served) -> Bank:
    return bank_of(named_runs(["rslora", "lora", "pairs"], served.store), served.store)


@pytest.fixture(scope="module")
def app(bank: Bank) -> Iterator[Any]:
    queue = Queue(bank, 10_000)
    yield service(bank, Limits(), queue)
    queue.close()


def test_a_real_task_says_of_a_note_without_a_sentence_what_it_says_of_that_text(app: Any) -> None:
    text = "Pain.  Fall. Of."
    said = ask(app, "POST", "/v1/explain", {"text": text, "task": "rslora"})
    assert said.status == 200, said.text
    label, whole = said.body["label"], said.body["probability"]
    without = ["Fall. Of.", "Pain.  Of.", "Pain.  Fall. "]
    body = {"notes": [{"text": each} for each in [text, *without]], "tasks": ["rslora"]}
    rows = ask(app, "POST", "/v1/score", body).body["rows"]
    assert (rows[0]["label"], rows[0]["truncated"]) == (label, False)
    assert [row[f"p_{label}"] for row in rows] == pytest.approx(
        [whole, *(whole - part["probability_change"] for part in said.body["parts"])], abs=1e-6
    )


def test_of_a_note_that_is_cut_the_rest_is_not_read_whatever_is_left_out(app: Any) -> None:
    read = "Fall of the stroke. Stable pain. "
    texts = [read * 9 + end for end in ("Septic septic septic.", "Afebrile. Pain of the fall.")]
    one, other = (ask(app, "POST", "/v1/explain", {"text": text, "task": "rslora", "most": 4}).body for text in texts)
    assert one["not_read"]
    assert [part["log_odds_change"] for part in one["parts"]] == pytest.approx(
        [part["log_odds_change"] for part in other["parts"]], abs=1e-5
    )


def test_batch_mates_change_nothing(bank: Bank) -> None:
    queue = Queue(bank, 10_000)
    app = service(bank, Limits(), queue)
    body = {"text": "Fall of the stroke. Stable pain. Septic.", "task": "lora"}
    alone = ask(app, "POST", "/v1/explain", body).body
    mates = [queue.submit({"rslora": [f"pain {n}"] * 3, "lora": ["the stroke"]}, 10) for n in range(20)]
    among = ask(app, "POST", "/v1/explain", body).body
    assert all(mate.result(120) for mate in mates)
    queue.close()
    for one, other in zip(alone["parts"], among["parts"], strict=True):
        assert one["probability_change"] == pytest.approx(other["probability_change"], abs=2e-6)


def test_pairs_are_refused(app: Any) -> None:
    said = ask(app, "POST", "/v1/explain", {"text": RARE, "task": "pairs"})
    assert said.status == 422
    assert "pairs of texts" in said.text
    assert RARE not in said.text


@pytest.mark.slow
def test_of_a_run_that_has_learnt_a_word_the_sentence_with_it_comes_first(
    served: Served, store: Store, tmp_path: Path
) -> None:
    chance = random.Random(0)
    texts = [" ".join(chance.choice(WORDS_OF_NOTES) for _ in range(chance.randint(4, 14))) for _ in range(120)]
    labels = ["died" if "septic" in text else "survived" for text in texts]
    file = tmp_path / "notes.csv"
    pl.DataFrame({"subject_id": range(120), "text": texts, "label": labels}).write_csv(file)
    layers = [{"kind": "fresh", "method": {"kind": "lora", "rank": 8, "targets": "all-linear"}}]
    data = {"source": {"kind": "tabular", "file": str(file)}, "tasks": [{"kind": "labels", "answer": "binary"}]}
    asked = {
        "data": data, "backbone": {"name": str(served.base.folder)}, "name": "planted", "stack": {"layers": layers},
        "max_seq_len": 128, "numerics": {"precision": "fp32"},
        "optimisation": {"duration": {"value": 150, "unit": "steps"}, "learning_rate": 1e-2, "batch_size": 16},
    }  # fmt: skip
    bank = Bank(store)
    bank.load(finetune(Finetune.parse(asked), store))
    first = 0
    for number in range(12):
        parts = ["fall of pain.", "the stroke.", "stable pain.", "afebrile."]
        parts.insert(number % 5, "septic.")
        said = explained(bank, {"text": (text := "\n\n".join(parts))})
        top = max(said.body["parts"], key=lambda part: part["log_odds_change"])
        first += text[top["start"] : top["end"]] == "septic."
    assert first >= 11
