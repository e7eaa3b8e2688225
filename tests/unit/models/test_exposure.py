"""What a base model has read of hospitals is told by its name, however it came here."""

import pytest

from chartune.models.catalog import catalog
from chartune.models.exposure import NOT_KNOWN, exposure_of


@pytest.mark.parametrize(
    ("name", "saw"),
    [
        ("emilyalsentzer/Bio_ClinicalBERT", "mimic notes"), ("/models/Bio_ClinicalBERT/", "mimic notes"),
        ("bionlp/bluebert_pubmed_mimic_uncased_L-12_H-768_A-12", "mimic notes"),
        ("bionlp/bluebert_pubmed_uncased_L-12_H-768_A-12", "no hospital notes"),
        ("bvanaken/CORe-clinical-outcome-biobert-v1", "mimic notes"), ("yikuan8/Clinical-Longformer", "mimic notes"),
        ("UFNLP/gatortron-base", "mimic notes"), ("UFNLP/gatortronS", "mimic notes"),
        ("luqh/ClinicalT5-base", "mimic notes"), ("xyla/Clinical-T5-Large", "mimic notes"),
        ("zzxslp/RadBERT-RoBERTa-4m", "other hospital notes"), ("StanfordAIMI/RadBERT", "not known"),
        ("starmpcc/Asclepius-7B", "no hospital notes"), ("Asclepius-R-7B", "mimic notes"),
        ("clinicalnlplab/me-llama", "mimic notes"), ("nlpie/tiny-clinicalbert", "mimic notes"),
        ("nlpie/distil-clinicalbert", "mimic notes"), ("nlpie/bio-distilbert-cased", "no hospital notes"),
            ("nlpie/distil-roberta", "not known"),
        ("dmis-lab/biobert-v1.1", "no hospital notes"), ("medicalai/ClinicalBERT", "other hospital notes"),
        ("GanjinZero/UMLSBert_ENG", "not known"), ("meta-llama/Llama-3.2-1B", "not known"),
    ],
)  # fmt: skip
def test_a_name_tells_what_a_base_has_read(name: str, saw: str) -> None:
    assert exposure_of(name).saw == saw


def test_every_base_of_the_catalog_is_known() -> None:
    assert all(exposure_of(name) != NOT_KNOWN for name in catalog)
    assert exposure_of("smollm2").contaminates("mimic3", made_up=False) is False
    assert (
        exposure_of("HuggingFaceTB/SmolLM2-135M").contaminates("tabular", made_up=False) is None
    )  # case reports are on the web


def test_a_copy_in_a_folder_is_known_by_its_config() -> None:
    assert exposure_of("some-folder") == NOT_KNOWN
    assert exposure_of("some-folder", {"_name_or_path": None}) == NOT_KNOWN
    assert exposure_of("some-folder", {"_name_or_path": "emilyalsentzer/Bio_ClinicalBERT"}).saw == "mimic notes"


def test_whether_scores_are_contaminated_depends_on_whose_notes_are_asked_about() -> None:
    clinical, general, unknown = (
        exposure_of(name) for name in ("emilyalsentzer/Bio_ClinicalBERT", "minilm", "something")
    )
    assert clinical.contaminates("mimic3", made_up=False) is True
    assert clinical.contaminates("mimic4", made_up=False) is True
    assert clinical.contaminates("mimic3", made_up=True) is False
    assert clinical.contaminates("tabular", made_up=False) is None  # a table may hold anybody's notes
    assert general.contaminates("mimic3", made_up=False) is False
    assert unknown.contaminates("mimic3", made_up=False) is None
    assert exposure_of("zzxslp/RadBERT-RoBERTa-4m").contaminates("mimic3", made_up=False) is False
