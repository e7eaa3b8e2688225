"""Exposure: which clinical text a base model read before it came here. Its scores on such text are no test.

MIMIC-III and MIMIC-IV come from one hospital and share the admissions of 2008 to 2012 (PhysioNet), so who has read one
has read notes of the other. Each row names the model card or paper that says so. A model that no row names is not
known. A name without its organisation, such as that of a folder, is taken for the model that made it known.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Saw = Literal["mimic notes", "other hospital notes", "no hospital notes", "not known"]
"""The text that matters most of what it read."""
MIMIC: Final = frozenset({"mimic3", "mimic4", "mednli", "n2c2_2018"})
"""Kinds of sources whose notes are MIMIC's. Some notes of i2b2 2010 are of the same hospital: there it is not known."""


@dataclass(frozen=True)
class Exposure:
    """What a base model read of hospitals."""

    saw: Saw
    text: str
    """The corpora, in words."""
    source: str
    """The reference for it; empty: none."""

    def contaminates(self, source_kind: str, made_up: bool) -> bool | None:
        """As the function `contaminates`, of what it saw."""
        return contaminates(self.saw, source_kind, made_up)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def contaminates(saw: str, source_kind: str, made_up: bool) -> bool | None:
    """Whether held-out texts of a source may be among what was read; None: not known.

    Args:
        saw: the text that matters most of it.
        source_kind: the reader of the source, such as `mimic3`.
        made_up: whether the source's patients are fictional.
    """
    if made_up or saw == "no hospital notes":
        return False
    known = {"mimic notes": True, "other hospital notes": False}
    return known.get(saw) if source_kind in MIMIC else None


NOT_KNOWN: Final = Exposure("not known", "not known", "")

_III, _BOTH = "MIMIC-III notes", "MIMIC-III and MIMIC-IV notes"
_LITERATURE: Final = "biomedical articles; no hospital notes"
_ROWS: Final[tuple[tuple[str, Saw, str, str], ...]] = (
    # pattern of the whole name in lower case, what it saw, in words, who says so; the first that fits counts
    (r"small-llama", "no hospital notes", "Python's documentation and docstrings only", "this project"),
    (r"(.*/)?(minilm(-3)?|all-minilm-.*)", "no hospital notes", "web, question-answer and citation pairs; no hospital "
     "notes known", "model card"),
    (r"(.*/)?smollm2.*", "other hospital notes", "public web text, which may hold published case reports and "
     "transcription samples", "model card"),
    (r"(.*/)?llama-7b(-hf)?", "not known", "public web text, books and articles, which may hold published case reports",
     "Touvron et al. (2023), arXiv:2302.13971"),
    (r"(.*/)?bio_clinicalbert", "mimic notes", f"all {_III}", "Alsentzer et al. (2019), arXiv:1904.03323"),
    (r"(.*/)?bio_discharge_summary_bert", "mimic notes", "discharge summaries of MIMIC-III",
     "Alsentzer et al. (2019), arXiv:1904.03323"),
    (r"bluebert|(.*/)?bluebert.*mimic.*", "mimic notes", f"PubMed and {_III}", "Peng et al. (2019), arXiv:1906.05474"),
    (r"(.*/)?bluebert_pubmed.*", "no hospital notes", _LITERATURE, "Peng et al. (2019), arXiv:1906.05474"),
    (r"ganjinzero/umlsbert.*", "not known", "UMLS terms, on a model of biomedical articles",
     "CODER: Yuan et al. (2022), arXiv:2011.02947"),
    (r"(.*/)?umlsbert.*", "mimic notes", f"{_III}, on Bio_ClinicalBERT",
     "Michalopoulos et al. (2021), arXiv:2010.10391"),
    (r"(.*/)?core-clinical.*", "mimic notes", "discharge summaries of the training patients of MIMIC-III as split by "
     "van Aken et al., whom another split asks about; and i2b2 notes", "van Aken et al. (2021), model card"),
    (r"(.*/)?clinical-(longformer|bigbird).*", "mimic notes", _III, "Li et al. (2022), arXiv:2201.11838"),
    (r"(.*/)?gatortrons.*", "mimic notes", f"notes invented from beginnings of {_III}, and 0.5 billion words of these",
     "Peng et al. (2023), arXiv:2305.13523"),
    (r"(.*/)?gatortron.*", "mimic notes", f"notes of UF Health (82 billion words) and {_III} (0.5 billion words)",
     "Yang et al. (2022), arXiv:2203.03540"),
    (r"(.*/)?clinicalt5.*", "mimic notes", _III, "Lu et al. (2022), Findings of EMNLP"),
    (r"(.*/)?clinical-t5.*", "mimic notes", _BOTH, "Lehman and Johnson (2023), PhysioNet"),
    (r"stanfordaimi/radbert.*", "not known", "radiology reports; its card does not say whose",
     "Chambon et al. (2022), J Digit Imaging"),
    (r"(.*/)?radbert-roberta.*", "other hospital notes", "radiology reports of the US Department of Veterans Affairs",
     "Yan et al. (2022), doi:10.1148/ryai.210258"),
    (r"(.*/)?asclepius-r.*", "mimic notes", "discharge summaries of MIMIC-III",
     "Kweon et al. (2023), arXiv:2309.00237"),
    (r"(.*/)?asclepius.*", "no hospital notes", "notes invented from published case reports",
     "Kweon et al. (2023), arXiv:2309.00237"),
    (r"(.*/)?me-?llama.*", "mimic notes", f"{_BOTH}, and MIMIC-CXR reports", "Xie et al. (2024), arXiv:2402.12749"),
    (r"(.*/)?bioclinical-modernbert.*", "mimic notes", "20 sets of clinical text, MIMIC among them",
     "Sounack et al. (2025), arXiv:2506.10896"),
    (r"(.*/)?clinical_modernbert.*", "mimic notes", "PubMed and MIMIC-IV notes", "Lee et al. (2025), arXiv:2504.03964"),
    (r"nlpie/.*clinical.*|(.*/)?(clinical-(distilbert|mobilebert|minialbert.*)|(distil|tiny)-clinicalbert)",
     "mimic notes", _III, "Rohanian et al. (2023), arXiv:2302.04725"),
    (r"(.*/)?roberta.*-pm-m3.*", "mimic notes", f"PubMed and {_III}", "Lewis et al. (2020), ClinicalNLP"),
    (r"(.*/)?clinical-pubmed-bert-base.*", "mimic notes", f"{_III}, on PubMedBERT", "model card"),
    (r"(.*/)?cxr-bert.*|(.*/)?biomedvlp-cxr-bert.*", "mimic notes", "PubMed, MIMIC-III notes and MIMIC-CXR reports",
     "Boecking et al. (2022), arXiv:2204.09817"),
    (r"aryopg/clinical.*llama.*", "mimic notes", "MIMIC-IV notes",
     "Gema et al. (2023), arXiv:2307.03042"),
    (r"medicalai/clinicalbert", "other hospital notes", "records of 3 million patients; its card does not say whose",
     "Wang et al. (2023), doi:10.1038/s41591-023-02552-9"),
    (r"(.*/)?biobert.*", "no hospital notes", _LITERATURE, "Lee et al. (2020), arXiv:1901.08746"),
    (r"(.*/)?biomednlp-(pubmed|biomed)bert.*", "no hospital notes", _LITERATURE, "Gu et al. (2021), arXiv:2007.15779"),
    (r"nlpie/(bio-(distilbert|mobilebert|tinybert).*|compact-biobert|(distil|tiny)-biobert)|bio-(distilbert|mobilebert)(-uncased)?|"
     r"(distil|tiny)-biobert", "no hospital notes", "PubMed abstracts; no hospital notes",
     "Rohanian et al. (2023), arXiv:2209.03182"),
    (r"(.*/)?(bert-(base|large)(-(un)?cased)?|bert-tiny|distilbert(-base-(un)?cased)?|tinybert.*|mobilebert.*)",
     "no hospital notes", "English Wikipedia and books", "Devlin et al. (2019), and the papers of what stems from it"),
    (r"(.*/)?(roberta-(base|large)|longformer(-(base|large)-4096)?)", "not known",
     "books, Wikipedia, news and web text, which may hold published case reports",
     "Liu et al. (2019), arXiv:1907.11692"),
    (r"(.*/)?llama-2-.*", "not known", "public web text and other public data, not stated in full",
     "Touvron et al. (2023), arXiv:2307.09288"),
    (r".*mimic.*", "mimic notes", "MIMIC notes, as its name says", "its name"),
    (r"(.*/)?pmc-llama.*", "no hospital notes", _LITERATURE, "Wu et al. (2023), arXiv:2304.14454"),
)  # fmt: skip


def exposure_of(name: str, config: Mapping[str, Any] | None = None) -> Exposure:
    """What a base model read of hospitals, by its name or by the name in its `config.json`.

    Args:
        name: a row of the catalog, a hub id, or what a folder is called.
        config: its `config.json`, whose `_name_or_path` keeps the name of a copy.
    """
    named = (name, str((config or {}).get("_name_or_path") or ""))
    fitting = (row for candidate in named for row in _ROWS if _fits(row[0], candidate))
    match = next(fitting, None)
    return Exposure(*match[1:]) if match else NOT_KNOWN


def circular(name: str, config: Mapping[str, Any], source_kind: str, made_up: bool) -> str | None:
    """Why scores on a source would be circular for a base model; None: they are not, or it is not known.

    Args:
        name: what it is called.
        config: its `config.json`.
        source_kind: the reader of the source, such as `mimic3`.
        made_up: whether the source's patients are fictional.
    """
    read = exposure_of(name, config)
    if not read.contaminates(source_kind, made_up):
        return None
    return (
        f"{name} has read {read.text} ({read.source}): held-out texts of these data may be among them, so that its "
        f"scores here are circular; compare it with base models that have read the same, or take one that has not"
    )


def plain(name: str) -> str:
    """A name as names are compared: in lower case, with hyphens, as folders are often called after a model."""
    return name.strip().rstrip("/").lower().replace("_", "-")


def _fits(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern.replace("_", "-"), plain(name)) is not None
