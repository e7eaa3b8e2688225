"""Tags of words and the spans that they say, against seqeval and nervaluate on thousands of tag sequences."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from nervaluate import Evaluator
from numpy.typing import NDArray
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from chartune.answers import SPANS
from chartune.answers.spans import tagged_documents
from chartune.metrics.span_modes import MODES, credits_of
from chartune.metrics.tagging import Labelled, TaggedWords, marked, tag_count, tag_names, tags_of, words_of

TYPES = ("Drug", "Problem", "Test")
NAMES = tag_names(TYPES)
Tags = NDArray[np.int64]


def drawn(chance: random.Random) -> tuple[list[Tags], list[Tags]]:
    """Annotated and predicted tags of a few documents, of every ill-formed kind; some are alike."""
    truth, made = [], []
    for _ in range(chance.randint(1, 4)):
        tags = [chance.choice([0, 0, *range(tag_count(len(TYPES)))]) for _ in range(chance.randint(1, 12))]
        other = [tag if chance.random() < 0.6 else chance.randrange(tag_count(len(TYPES))) for tag in tags]
        truth.append(np.array(tags))
        made.append(np.array(other))
    return truth, made


def words(tags: Tags) -> NDArray[np.int64]:
    return np.array([[3 * n, 3 * n + 2] for n in range(len(tags))])


def documents(every: Sequence[Tags]) -> list[TaggedWords]:
    return [TaggedWords(marked(words(tags), tags)) for tags in every]


def well_formed(document: TaggedWords) -> list[Labelled]:
    return [span.span for span in document.spans if span.well_formed]


def scores(truth: Sequence[Sequence[Labelled]], made: Sequence[TaggedWords]) -> dict[str, float]:
    labels = np.empty(len(truth), dtype=object)
    labels[:] = [list(spans) for spans in truth]
    rows = SPANS.rows(labels, tagged_documents(made), range(len(made)))
    return {score.metric: score.value(rows) for score in SPANS.measures}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning", "ignore:Precision", "ignore:Recall")
def test_span_scores_equal_those_of_seqeval_in_both_of_its_modes() -> None:
    chance, compared = random.Random(0), 0
    for _ in range(400):
        truth, made = drawn(chance)
        ours, names = documents(truth), [[[NAMES[tag] for tag in tags] for tags in side] for side in (truth, made)]
        if any(document.spans for document in ours) and any(tags.any() for tags in made):
            got = scores([[span.span for span in one.spans] for one in ours], documents(made))
            assert got["f1"] == pytest.approx(f1_score(*names))
            assert got["precision"] == pytest.approx(precision_score(*names))
            assert got["recall"] == pytest.approx(recall_score(*names))
            compared += 1
        strict = [well_formed(document) for document in ours]
        if any(strict):
            theirs = f1_score(*names, mode="strict", scheme=IOB2)
            assert scores(strict, documents(made))["f1_iob2"] == pytest.approx(theirs)
    assert compared > 300


def plain(spans: Sequence[Labelled]) -> list[dict[str, Any]]:
    return [{"label": TYPES[label], "start": start, "end": end - 1} for start, end, label in spans]


def test_modes_equal_those_of_nervaluate() -> None:
    chance = random.Random(1)
    for _ in range(400):
        truth, made = ([[span.span for span in one.spans] for one in documents(side)] for side in drawn(chance))
        every = Evaluator([*map(plain, truth)], [*map(plain, made)], tags=[*TYPES], loader="dict").evaluate()["overall"]
        credits = np.sum([credits_of(*pair) for pair in zip(truth, made, strict=True)], axis=0)
        for credit, mode in zip(credits, MODES, strict=True):
            theirs = every["ent_type" if mode == "type" else mode]
            assert credit / max(1, sum(map(len, made))) == pytest.approx(theirs.precision), mode
            assert credit / max(1, sum(map(len, truth))) == pytest.approx(theirs.recall), mode
        if any(truth):
            ours = scores(truth, documents([np.zeros(1, dtype=np.int64)] * len(truth)))
            assert ours["f1_partial"] == 0


def test_f1s_of_modes_stand_under_their_names() -> None:
    truth = [[(0, 17, 0), (20, 24, 1)]]
    made = [
        TaggedWords(marked(np.array([[7, 17], [20, 24]]), np.array([1, 1])))
    ]  # half of a drug, and a problem as a drug
    got = scores(truth, made)
    assert got["f1"] == 0
    assert got["f1_partial"] == pytest.approx((0.5 + 1) / 2)
    assert got["f1_exact"] == pytest.approx(1 / 2)
    assert got["f1_type"] == pytest.approx(1 / 2)


def test_of_several_spans_of_its_type_a_prediction_is_paired_with_the_nearest() -> None:
    credits = credits_of([(0, 2, 0), (3, 9, 0)], [(0, 9, 0), (1, 2, 0)])  # else the first would be taken from (1, 2)
    assert credits[MODES.index("type")] == 2


def test_a_word_is_a_run_of_letters_and_digits_or_one_other_character() -> None:
    text = " St. β-blocker,\n50mg\tq.d. "
    assert [text[start:end] for start, end in words_of(text)] == [
        "St", ".", "β", "-", "blocker", ",", "50mg", "q", ".", "d", ".",
    ]  # fmt: skip
    assert words_of("").shape == (0, 2)


@pytest.mark.parametrize(
    ("spans", "tags"),
    [
        ([(0, 11, 1)], "B-Problem I-Problem O O"),
        ([(0, 6, 1), (7, 11, 1)], "B-Problem B-Problem O O"),
        ([(2, 9, 1)], "B-Problem I-Problem O O"),  # its ends lie within words: both belong to it
        ([(0, 11, 1), (7, 19, 0)], "B-Problem I-Problem O O"),  # the second begins within the first
        ([(7, 11, 0), (7, 19, 1)], "O B-Problem I-Problem O"),  # of two that begin alike the longer
        ([(0, 6, -1)], "O O O O"),  # a type that nobody has learnt
        ([(6, 7, 1)], "O O O O"),  # a blank
    ],
)
def test_words_get_the_tags_of_the_spans_that_hold_a_character_of_them(spans: list[Labelled], tags: str) -> None:
    words = words_of("severe pain aspirin .")
    assert [NAMES[tag] for tag in tags_of(words, spans)] == tags.split()


def test_spans_come_back_from_their_tags_with_the_least_probability_of_their_words() -> None:
    words = words_of("severe pain aspirin .")
    spans = [(0, 11, 1), (12, 19, 0)]
    made = marked(words, tags_of(words, spans), np.array([0.6, 0.9, 0.8, 1.0]))
    assert [span.span for span in made] == spans
    assert [span.probability for span in made] == [0.6, 0.8]


def test_the_log_loss_of_tags_is_the_mean_over_the_words_that_were_read() -> None:
    """Early stopping breaks ties by it: of four words in two documents, every word weighs the same."""
    places = words(np.zeros(3, dtype=np.int64))
    sure = np.log(np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]))  # O, B, I of one type; [W, K]
    made = tagged_documents([TaggedWords((), places, sure), TaggedWords((), places[:1], sure[:1]), TaggedWords(())])
    labels = [[(3, 8, 0)], [(0, 2, 0)], [(0, 2, 0)]]  # O B I; B; a document of which no word was read
    asked = np.empty(3, dtype=object)
    asked[:] = labels
    assert SPANS.nats(asked, made) == pytest.approx(-np.log([0.7, 0.5, 0.8, 0.2]).mean())
    assert SPANS.nats(asked[2:], made[2:]) == 0.0
