"""The truth of the made-up hospital: the closed form is right, and words without their grammar do not reach it."""

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from chartune.made_up.admission_text import Sections, assembled, trace, write_sections
from chartune.made_up.conditions import CONDITIONS
from chartune.made_up.dice import Dice
from chartune.made_up.notes_of_stay import Note
from chartune.made_up.outcome import MODEL, OutcomeModel, Reader, p_death, p_death_unread, prior, unstated
from chartune.made_up.patients import Admission, Patient, draw_patient
from chartune.made_up.sentences import GRAMMARS
from chartune.made_up.spans import mimic3_text
from chartune.made_up.summary import summary
from chartune.notes.deaths import tells_death
from chartune.notes.sections import admission_sections, admission_text

Told = list[tuple[int, float]]
COMMON = [replace(CONDITIONS[i], prevalence=(0.2, 0.3, 0.4)) for i in (0, 6, 11)]
SMALL = OutcomeModel(conditions=(*COMMON, replace(CONDITIONS[-1], prevalence=(0.1, 0.2, 0.3))))


@cache
def _written(subjects: int, seed: int) -> tuple[list[str], NDArray[np.bool_], list[Told]]:
    texts, died, traces = [], [], []
    for index in range(subjects):
        dice = Dice(seed, index)
        patient = draw_patient(dice, MODEL, index)
        for stay in patient.admissions if not patient.newborn else ():
            sections = write_sections(dice, MODEL, patient, stay, tells_death=False, canary=False)
            texts.append(assembled(sections))
            died.append(stay.died)
            traces.append(trace(MODEL, patient, stay, sections))
    return texts, np.array(died), traces


def _beliefs(traces: list[Told], words: int) -> NDArray[np.float64]:
    return np.array([[p for at, p in trace_of_note if at <= words][-1] for trace_of_note in traces])


def test_the_closed_form_equals_enumeration_of_all_worlds() -> None:
    """P(death | cancer affirmed, infarction denied, septic shock unmentioned, history and illness over)."""
    band, told = 1, MODEL.death_stated
    for ordinal in (0, 1, 2):
        reader = Reader(SMALL, band, ordinal)
        reader.reads(2, True)
        reader.finishes("history")
        reader.reads(1, False)
        reader.finishes("illness")
        worlds = deaths = 0.0
        chronic = [c.chronic for c in SMALL.conditions]
        for present in itertools.product((0, 1), repeat=4):
            weight = _weight(present, band, chronic, ordinal)
            shock, infarction, cancer = (SMALL.conditions[i] for i in range(3))
            weight *= (1 - shock.affirmed) if present[0] else (1 - shock.denied)
            weight *= 0 if present[1] else infarction.denied
            weight *= cancer.affirmed if present[2] else 0
            dies = _dies(present, band)
            worlds += weight * (1 - told * dies)
            deaths += weight * dies * (1 - told)
        assert reader.p_death() == pytest.approx(deaths / worlds, rel=1e-12)


def _dies(present: tuple[int, ...], band: int) -> float:
    survive = 1 - SMALL.leaks[band]
    for condition, has in zip(SMALL.conditions, present, strict=True):
        survive *= 1 - condition.lethality if has else 1
    return 1 - survive


def _weight(present: tuple[int, ...], band: int, chronic: list[bool], ordinal: int) -> float:
    """P(present now, all earlier stays survived), summed over the acute conditions of the earlier stays."""
    weight = 1.0
    for condition, has in zip(SMALL.conditions, present, strict=True):
        weight *= condition.prevalence[band] if has else 1 - condition.prevalence[band]
    alive = 0.0
    for earlier in itertools.product((0, 1), repeat=4):
        before = tuple(now if lasts else then for now, then, lasts in zip(present, earlier, chronic, strict=True))
        chance = 1.0
        for condition, then, lasts in zip(SMALL.conditions, earlier, chronic, strict=True):
            p = 0.5 if lasts else condition.prevalence[band]  # a chronic one does not change: either value counts half
            chance *= p if then else 1 - p
        alive += chance * (1 - _dies(before, band))
    return float(weight * alive**ordinal)


def test_death_unread_is_the_death_rate_of_drawn_admissions() -> None:
    died = [
        stay.died
        for index in range(20_000)
        for patient in [draw_patient(Dice(5, index), MODEL, index)]
        if not patient.newborn
        for stay in patient.admissions
    ]
    expected = p_death_unread(MODEL)
    assert abs(np.mean(died) - expected) < 4 * np.sqrt(expected * (1 - expected) / len(died))
    assert 0.15 <= expected <= 0.20


def test_later_stays_find_fewer_who_had_a_deadly_chronic_disease() -> None:
    cancer = next(i for i, c in enumerate(CONDITIONS) if c.name == "metastatic cancer")
    first, second = prior(MODEL, 2, 0)[cancer], prior(MODEL, 2, 1)[cancer]
    assert second < first == CONDITIONS[cancer].prevalence[2]


def test_certain_conditions_make_the_plain_noisy_or() -> None:
    nobody = p_death(MODEL, 0, [0.0] * len(CONDITIONS))
    assert nobody == pytest.approx(MODEL.leaks[0])
    assert unstated(MODEL, 1.0) == 1.0


def test_the_oracle_is_calibrated_by_decile() -> None:
    _, died, traces = _written(9000, 11)
    for words in (60, 10_000):
        p = _beliefs(traces, words)
        for part in np.array_split(np.argsort(p, kind="stable"), 10):
            expected = p[part].mean()
            spread = np.sqrt((p[part] * (1 - p[part])).sum()) / len(part)
            assert abs(died[part].mean() - expected) < 4 * spread


def test_the_oracle_knows_more_the_more_it_reads() -> None:
    texts, died, traces = _written(9000, 11)
    reached = [roc_auc_score(died, _beliefs(traces, words)) for words in (0, 30, 50, 110, 10_000)]
    assert reached == sorted(reached)
    assert reached[0] == 0.5
    assert reached[3] > 0.78
    assert 0.83 < reached[4] < 0.89
    assert 105 < np.mean([len(text.split()) for text in texts]) < 150


def test_a_bag_of_words_stays_clearly_below_the_oracle() -> None:
    texts, died, traces = _written(9000, 11)
    train, test = slice(0, 2000), slice(2000, None)
    for grams in ((1, 1), (1, 2)):
        words = CountVectorizer(min_df=3, ngram_range=grams, binary=True)
        seen = words.fit_transform(texts[train])
        model = LogisticRegression(C=0.05, max_iter=1000).fit(seen, died[train])
        scored = roc_auc_score(died[test], model.predict_proba(words.transform(texts[test]))[:, 1])
        assert scored < roc_auc_score(died[test], _beliefs(traces, 10_000)[test]) - 0.06
        assert scored > 0.6


def _stays(subjects: int) -> list[tuple[Dice, Patient, Admission, Sections]]:
    written = []
    for index in range(subjects):
        dice = Dice(2, index)
        patient = draw_patient(dice, MODEL, index)
        for stay in patient.admissions if not patient.newborn else ():
            stated = stay.died and index % 2 == 0
            sections = write_sections(dice, MODEL, patient, stay, tells_death=stated, canary=index == 1)
            written.append((dice, patient, stay, sections))
    return written


def test_the_summary_gives_back_the_very_text_whose_words_the_oracle_counts() -> None:
    for dice, patient, stay, sections in _stays(400):
        parts = summary(dice, CONDITIONS, patient, stay, sections, canary=False)
        text = mimic3_text(Note("Discharge summary", tuple(parts), stay.dischtime))
        assert admission_text(admission_sections(text)) == assembled(sections)
        for heading in ("Brief Hospital Course:\n", "Discharge Disposition:\n"):
            assert text.count(heading) == 1


def test_every_fact_counts_from_the_word_that_ends_it() -> None:
    for _, _, _, sections in _stays(300):
        for key in ("illness", "history", "exam"):
            body = sections[key]
            words = body.text.split()
            assert body.words == len(words)
            for fact in body.facts:
                read = " ".join(words[: fact.words]).rstrip(".,;").lower()
                forms = CONDITIONS[fact.condition].forms
                assert any(form.lower() in read for form in forms)
                late = any(read.endswith(word) for word in ("confirmed", "excluded", "found", "seen", "absent")) or (
                    read.endswith(("present", "denied", "ago", "arrival"))
                )
                assert late or read.endswith(tuple(form.lower() for form in forms)), read


def test_a_told_death_is_certain_once_read_and_every_death_told_is_recognised() -> None:
    stated = [(p, s, sections) for _, p, s, sections in _stays(400) if sections["illness"].tells_death]
    assert len(stated) > 20
    for patient, stay, sections in stated:
        assert trace(MODEL, patient, stay, sections)[-1][1] == 1.0
        assert tells_death(assembled(sections))
    assert not any(tells_death(assembled(s)) for _, _, _, s in _stays(400) if not s["illness"].tells_death)


def test_no_form_of_a_condition_is_the_form_of_another() -> None:
    forms = [form.lower() for condition in CONDITIONS for form in condition.forms if condition.where != "hidden"]
    assert len(forms) == len(set(forms))


def test_what_is_hidden_is_never_written_before_the_hospital_course() -> None:
    hidden = [form for c in CONDITIONS if c.where == "hidden" for form in c.forms]
    assert hidden
    assert not any(form in text for text in _written(9000, 11)[0][:2000] for form in hidden)


@pytest.mark.parametrize("section", sorted(GRAMMARS))
def test_patterns_affirm_where_they_say_so(section: str) -> None:
    grammar = GRAMMARS[section]
    assert all(part.affirms for parts in grammar.affirming for part in parts)
    assert not any(part.affirms for parts in grammar.denying for part in parts)
    assert all({part.affirms for part in parts} == {True, False} for parts in grammar.mixed)
