"""Prompts: what does not fit is cut off the text and never off the prompt, and labels are the tokens that they add."""

from dataclasses import replace
from typing import Any

import pytest

from chartune.batches.prompting import DOUBLE, SINGLE, Prompter, Wording, cut_to, must_be_template, shortened
from chartune.batches.tokenize import load_tokenizer
from chartune.errors import ConfigError
from chartune.models.backbone import LocalBackbone
from chartune.notes.text_pair import TextPair

WORDING = Wording("Outcome?", SINGLE, ("alive", "died in hospital"), examples=(("a short fall", 1), ("fever", 0)))


@pytest.fixture
def tokenizer(llama: LocalBackbone) -> Any:
    return load_tokenizer(llama)


def whole(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text)["input_ids"]
    return ids


def test_a_prompt_is_instruction_examples_and_text_and_a_label_goes_on_from_there(tokenizer: Any) -> None:
    prompter = Prompter(WORDING, tokenizer, 200)
    shown = "a short fall\nAnswer: died in hospital\n\nfever\nAnswer: alive"
    prompt = f"Outcome?\n\n{shown}\n\nchest pain {{text}}\nAnswer:"
    asked = prompter.asked("chest pain {text}")
    for label, word in zip(prompter.labels, WORDING.verbalizers, strict=True):
        assert [*asked.context.tolist(), *label] == whole(tokenizer, f"{prompt} {word}")
    assert (asked.cut, asked.words) == (False, 3)
    assert asked.tokens == asked.read


def test_what_does_not_fit_is_cut_off_the_end_of_the_text_and_never_off_the_prompt(tokenizer: Any) -> None:
    text = "fever " + "chest pain " * 150 + "stairs"
    prompter = Prompter(WORDING, tokenizer, 120)
    asked = prompter.asked(text)
    empty = prompter.asked("")
    assert len(asked.context) + max(map(len, prompter.labels)) == 120
    assert len(empty.context) == prompter.fixed
    said = tokenizer.decode(asked.context, skip_special_tokens=True)
    for part in ("Outcome?", "a short fall", "died in hospital", "Answer: alive"):
        assert part in said
    assert said.rstrip().endswith("Answer:")
    assert "stairs" not in said
    assert asked.cut
    assert asked.tokens > asked.read > 0
    assert text.startswith(" ".join(text.split()[: asked.words]))
    assert 0 < asked.words < 300


def test_of_a_pair_the_longer_side_is_cut_first(tokenizer: Any) -> None:
    assert shortened([10, 4], 5) == [5, 4]
    assert shortened([4, 10], 8) == [3, 3]
    assert shortened([5, 5], 3) == [4, 3]
    assert shortened([2, 2], 9) == [0, 0]
    assert shortened([7], 9) == [0]
    prompter = Prompter(Wording("", DOUBLE, ("yes", "no")), tokenizer, 60)
    said = tokenizer.decode(prompter.asked(TextPair("fever " * 100, "chest pain on stairs")).context)
    assert "chest pain on stairs" in said
    assert "fever" in said


def test_a_prompt_without_room_and_labels_alike_are_refused(tokenizer: Any) -> None:
    whole_prompt = Prompter(WORDING, tokenizer, 200)
    longest = max(map(len, whole_prompt.labels))
    assert Prompter(WORDING, tokenizer, whole_prompt.fixed + longest + 1).room == whole_prompt.fixed + 1
    with pytest.raises(ConfigError, match="leave room for a token"):
        Prompter(WORDING, tokenizer, whole_prompt.fixed + longest)
    with pytest.raises(ConfigError, match="told from each other"):
        Prompter(replace(WORDING, verbalizers=("alive", "alive")), tokenizer, 200)


@pytest.mark.parametrize(
    "template",
    ["{text} {label}", "Answer: {label}", "{text}\nAnswer:", "{text}\n{label} is it", "{text} {text} x {label}"],
)
def test_a_template_has_one_text_words_and_ends_with_its_label(template: str) -> None:
    with pytest.raises(ValueError, match="a template must have"):
        must_be_template(template)
    must_be_template(SINGLE)
    must_be_template(DOUBLE)


def test_examples_are_cut_to_a_length_of_their_own(tokenizer: Any) -> None:
    text = "fever " * 40
    assert len(tokenizer(str(cut_to(text, 7, tokenizer)), add_special_tokens=False)["input_ids"]) == 7
    assert cut_to("fever", 7, tokenizer) == "fever"
    pair = cut_to(TextPair(text, "fall"), 7, tokenizer)
    assert isinstance(pair, TextPair)
    assert pair.second == "fall"
    assert len(pair.first) < len(text)
