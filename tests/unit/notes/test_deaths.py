"""Told deaths: the patient's own is found, another's, a feared one and a mere word are not."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chartune.notes.death_terms import TERMS
from chartune.notes.deaths import may_tell_death, tells_death

SENTENCES = Path(__file__).with_name("death_sentences.txt")


def labelled(part: str) -> Iterator[tuple[bool, str]]:
    """The sentences of a part, with what their label says."""
    here = ""
    for line in SENTENCES.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            here = line.strip("[]")
        elif here == part:
            label, sentence = line.split("\t")
            yield label == "told", sentence


def counted(part: str) -> Counter[tuple[bool, bool]]:
    """(told, found) → sentences."""
    return Counter((states_death, tells_death(sentence)) for states_death, sentence in labelled(part))


def test_precision_and_recall_on_sentences_that_the_rules_were_not_mended_on_are_those_that_the_docs_give() -> None:
    counts = counted("kept")
    assert counts == {(True, True): 32, (True, False): 4, (False, False): 48}


@pytest.mark.parametrize(("states_death", "sentence"), list(labelled("tuned")))
def test_the_sentences_that_the_rules_were_mended_on_are_read_as_labelled(states_death: bool, sentence: str) -> None:
    assert tells_death(sentence) == states_death


@pytest.mark.parametrize(("states_death", "sentence"), list(labelled("tuned")))
def test_what_stands_in_other_sentences_changes_nothing(states_death: bool, sentence: str) -> None:
    assert (
        tells_death(f"Her mother lives nearby. The patient slept well.  {sentence} Nothing else is known.")
        == states_death
    )


@pytest.mark.parametrize("case", [str.upper, str.lower, lambda text: text.replace(" ", "\n")])
def test_case_and_wrapped_lines_change_nothing(case: Callable[[str], str]) -> None:
    assert tells_death(case("The patient passed away at night and an autopsy was performed."))
    assert not tells_death(case("Her father passed away at night."))


def test_a_family_history_tells_no_death_unless_it_names_the_patient() -> None:
    assert not tells_death("CHIEF COMPLAINT: fall\n\nFAMILY HISTORY: Two died early. Autopsy showed a tumour.")
    assert not tells_death(
        "CHIEF COMPLAINT: fall\n\nFAMILY HISTORY: Stroke. Passed away in 1990."
    )  # who, it does not say
    assert tells_death("CHIEF COMPLAINT: fall\n\nFAMILY HISTORY: none. The patient died.")
    assert tells_death("FAMILY HISTORY: none\n\nSOCIAL HISTORY: lived alone, died at home")


def test_a_pronoun_after_a_sentence_on_a_relative_means_that_relative() -> None:
    assert not tells_death("Her father was a smoker. He died of lung cancer.")
    assert tells_death("The patient was a smoker. He died of lung cancer.")


def test_the_look_at_words_lets_no_term_through() -> None:
    every = " ".join(sentence for part in ("tuned", "kept") for _, sentence in labelled(part))
    terms = {match[0].lower() for match in TERMS.finditer(every)}
    assert len(terms) > 20
    assert [term for term in terms if not may_tell_death(term)] == []
    assert may_tell_death("pa\u017f\u017fed")
    assert not may_tell_death("the patient slept well")


@pytest.mark.parametrize(
    "foretold",
    [
        "She was made comfort measures only.", "Transferred to hospice.", "DNR/DNI.", "The organ bank was called.",
        "Apnea test for brain death was planned.", "Terminally extubated.", "Poor prognosis, goals of care discussed.",
    ],
)  # fmt: skip
def test_what_foretells_a_death_tells_none(foretold: str) -> None:
    assert not tells_death(foretold)


@pytest.mark.parametrize(
    "denied", ["The patient has not died.", "Patient did not die, was never pronounced dead.", "No death occurred."]
)
def test_a_negation_undoes_a_death_whatever_its_word(denied: str) -> None:
    assert not tells_death(denied)


def test_a_negation_reaches_over_five_words_and_no_further() -> None:
    assert not tells_death("The patient never in all this time died.")
    assert tells_death("The patient never in all this long hard bitter time died.")
