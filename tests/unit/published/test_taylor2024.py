"""The tables of Taylor et al. (2024): whole, consistent with each other, and labelled as the authors' repository's."""

from importlib.resources import files
from statistics import fmean

import pytest

from chartune.published import taylor2024
from chartune.published.taylor2024 import ANNOTATED, BASES, COLUMNS, COMMITS, column_of, scores


def test_every_table_says_where_it_stands() -> None:
    shipped = {file.name for file in files("chartune.published").iterdir() if file.name.startswith("p2_")}
    assert shipped == set(COMMITS)
    assert taylor2024.LABEL == "authors' repository"
    assert all(COMMITS.values())


def test_the_main_comparison_is_whole_and_of_three_seeds() -> None:
    main = [row for row in scores() if row.group == "seeds"]
    assert len(main) == 4 * 3 * 4
    assert {row.model for row in main} == {"BioBERT", "BioDistilBERT", "BioMobileBERT", "TinyBioBERT"}
    assert all(row.std is not None and "12, 34 and 56" in row.runs for row in main)
    lora = next(row for row in main if (row.model, row.method, row.task) == ("BioBERT", "LoRA", "MP"))
    assert (lora.value, lora.std, lora.metric) == (0.828, 0.002, "AUROC")


def test_the_table_of_domains_is_of_single_runs() -> None:
    domains = [row for row in scores() if row.group == "domains"]
    assert len(domains) == 13 * 2 * 7 + 3
    assert {row.runs for row in domains} == {"single run, the highest of duplicates"}
    gain = {row.model: row.value for row in domains if row.method == "LoRA" and row.task == "MP"}
    assert gain["TinyClinicalBERT"] - gain["TinyBERT"] == pytest.approx(0.198)
    assert gain["BioClinicalBERT"] - gain["BERT-base"] == pytest.approx(0.011)


def test_scores_are_shares_and_their_models_and_tasks_are_known() -> None:
    asked = {row.task for row in taylor2024.tasks()}
    assert asked == {*COLUMNS.values(), *ANNOTATED.values()}
    for row in scores():
        assert 0 < row.value < 1
        assert row.model in BASES
        assert row.task in asked
    assert len(scores("MP")) < len(scores())
    assert {row.task for row in scores("MP")} == {"MP"}


def test_a_task_is_known_by_its_name_or_with_its_source() -> None:
    assert column_of("mortality", "mimic3") == "MP"
    assert column_of("concepts", "i2b2_2012") == "NER 2012"
    assert column_of("concepts", "tabular") is None


def test_what_is_derived_from_the_tables_agrees_with_them() -> None:
    """LoRA saves 15 to 18 % of the time; a 7B model costs 23 times BioBERT; the efficiency scores are of those rows."""
    by = {(row.model, row.method): row for row in taylor2024.compute()}
    saved = [1 - by[model, "LoRA"].train_seconds / by[model, "Full"].train_seconds
             for model in ("BioBERT", "BioDistilBERT", "BioMobileBERT", "TinyBioBERT")]  # fmt: skip
    assert 0.14 < min(saved) < max(saved) < 0.19
    assert fmean(saved) == pytest.approx(0.165, abs=0.01)
    price = {(row.model, row.method): row.gbp for row in taylor2024.prices()}
    assert round(price["Llama-2-7B", "LoRA"] / price["BioBERT", "LoRA"]) == 23
    for version in ("v1", "v2"):
        assert {(row.model, row.method) for row in taylor2024.efficiency() if row.version == version} == set(by)


def test_few_shot_curves_are_of_the_published_sizes() -> None:
    curves = taylor2024.few_shot()
    assert {row.per_class for row in curves} == {16, 64, 128, 256, 512, 1024, 2048, 4096}
    assert len(curves) == 4 * 8
