"""An adapter that stock peft trained on a language model, read as a layer: the same next-token logits."""

from pathlib import Path
from typing import Any

import torch

from chartune.adapters.adapter import read_adapter
from chartune.adapters.method import Method
from chartune.adapters.stack import Frozen, Stack, attach
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.numerics import Resolved
from chartune.models.readers import of_the_text
from chartune.testing.adapted import IDS, MASK


def must_be_a_layer(stock: Any, base: LocalBackbone, folder: Path, method: Method) -> None:
    """Save an adapter, read it as this method on its base, and compare logits [B, T, V] where there is text.

    Args:
        stock: the peft model, of a causal language model.
        base: that model.
        folder: where it is saved.
        method: what it is to be read as.
    """
    stock.save_pretrained(folder)
    adapter = read_adapter(folder)
    adapter.must_fit(base)
    assert adapter.method == method
    body = load_body(base, Resolved("cpu", "fp32", "sdpa", "a test"), language_model=True)
    module = attach(Stack(layers=(Frozen(adapter="x"),)), body.module, [adapter], seed=0).module
    assert body.lm_head is not None
    with torch.no_grad():
        expected = of_the_text(stock.eval()(input_ids=IDS, attention_mask=MASK).logits, IDS)
        states = module.eval()(input_ids=IDS, attention_mask=MASK).last_hidden_state
        made = body.lm_head(of_the_text(states, IDS))
    text = MASK.bool()
    assert torch.allclose(made[text], expected[text], atol=1e-5)
