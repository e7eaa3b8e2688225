"""What the card of an export says beside that of its run: how it is read, and what is known of words in its weights."""

from collections.abc import Mapping
from typing import Any

from chartune.cards import Section
from chartune.runs.record import ADAPTER
from chartune.stages.kept_weights import MODEL


def memorisation() -> Section:
    """What is known of patients' words in the weights."""
    return Section(
        "Memorisation",
        ("**Not audited for memorisation.** Weights that have learnt from notes may hold patients' words, and reveal "
         "them to an attacker. Until an audit has shown otherwise, they are as restricted as the notes.",),
    )  # fmt: skip


def how_to_load(about: Mapping[str, Any], *, masked: bool) -> Section:
    """How the folder is read.

    Args:
        about: `export.json`.
        masked: what was pretrained is an encoder.
    """
    whole, scores = about["model"] is not None, about["kind"] == "finetune"
    base = f"the folder of {about['base']['name']}"
    if scores:
        text = (
            "`load.py` reads this folder with torch and transformers alone"
            + ("." if whole else ", on the base model, and peft.")
            + " Pooling and head are chartune's own, so that no stock class holds them; the rest is stock. What it "
            "computes is fp32, whatever the run was trained in. `export.json` names the labels.",
            _recalibrates(about),
        )
        given = "" if whole else repr(base)
        return Section(
            "How to load it", text, code=f'from load import Model\n\nModel({given}).probabilities(["A note."])'
        )
    if whole:
        make, kind = ("AutoModelForMaskedLM", "masked") if masked else ("AutoModelForCausalLM", "causal")
        code = f'from transformers import {make}\n\nmodel = {make}.from_pretrained("{MODEL}")'
        return Section("How to load it", (f"A stock {kind} language model, its layers merged in fp32.",), code=code)
    code = (
        "from peft import PeftModel\nfrom transformers import AutoModel\n\n"
        f"body = AutoModel.from_pretrained({base!r})\n"
        f'model = PeftModel.from_pretrained(body, "{(about["adapters"] or [ADAPTER])[0]}")'
    )
    return Section("How to load it", ("Stock peft reads the adapter on the bare body (`AutoModel`).",), code=code)


def _recalibrates(about: Mapping[str, Any]) -> str:
    """Whether the loader's probabilities are recalibrated, in a sentence."""
    fitted = about["calibration"]
    if not fitted:
        return "Its probabilities are raw: the run keeps no recalibration."
    if "knots" in fitted:
        return "Its probabilities are raw: an isotonic recalibration is applied by `chartune predict` alone."
    return f"Its probabilities are recalibrated ({fitted['kind']}); `raw=True` leaves that out."
