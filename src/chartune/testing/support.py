"""The support table: which method stands on which family, from what the code itself says; `docs/support.md`.

    python -m chartune.testing.support > docs/support.md

A twin's config ─meta device─▶ body without memory ─Method.must_suit, composes_with─▶ yes, or the reason why not
"""

import sys
from collections.abc import Iterable
from typing import Final

from torch import nn
from transformers import AutoConfig

from chartune.adapters.catalog import METHODS, REFUSED, method_class
from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.adapters.p_tuning import PTuning
from chartune.adapters.prefix import Prefix
from chartune.errors import AdapterError
from chartune.models.anatomy import anatomy_of
from chartune.models.families import family_of
from chartune.models.meta import meta_body
from chartune.testing.twins import EXACT, FAMILIES, MASKED, sizes_of

SMALL: Final[dict[str, dict[str, int]]] = {"c3a": {"block": 8}, "fourierft": {"frequencies": 64}}
"""Of methods whose usual numbers are too many for a twin's matrices: fewer."""
CATALOG: Final = tuple(method_class(kind).parse(SMALL.get(kind, {})) for kind in METHODS)
"""Every method with its usual numbers, but those of `SMALL`."""
TRIED: Final[tuple[Method, ...]] = (
    *(method for method in CATALOG if not method.trains_all),
    LoRA(rank=2, targets="attention", dropout=0.1),
    LoRA(rank=2, targets="attention", decomposed=True, scaling="rank-stabilised"),
    LoRA(rank=2, targets="attention", start="pissa", dropout=0.1, b_rate_ratio=4),
    Prefix(tokens=3, positions="unshifted"),
    Prefix(tokens=3, projection_hidden=4),
    PTuning(tokens=3, network="lstm", hidden=4),
)
"""What the contract suites run over: every method that adds a layer, and its switches."""
_HEAD: Final = """# What goes with what

Made by `python -m chartune.testing.support`; a test fails where this page and the code disagree. Tested on a tiny
random twin of each family: pairs of family and method in `make test`, all of them in `make test-all` (gradients,
saving and reading again, stock peft, stacks, checkpoints, planning, gradient checkpointing). Any other encoder or
decoder of text that transformers knows is taken by the same rules
([methods.md](methods.md#what-a-base-model-may-be)), untested. What does not go is refused with the reason, before
anything is trained.

## Families and methods
"""
_TAIL: Final = """
`full` goes with every family. *Pretraining*: by the next token in packed rows, with what keeps the texts of a row
apart; or by masked tokens, a text in each row, where the checkpoint has kept its masked-language-model head. *Gradient
checkpointing*: activations may be computed again in the backward pass, with equal gradients; no
stage of chartune does so by itself. Stock peft reads every adapter that is saved here, but cannot run prefixes on
ALBERT, DistilBERT, MobileBERT and ModernBERT, which take no cache, nor `positions: unshifted`, and knows adaptation
prompts on LLaMA and Mistral only. Of P-tuning it reads the computed vectors; the network goes on training here.

**Mixtures of experts** (Mixtral, Qwen3 MoE, OLMoE, …) are refused: transformers keeps the experts of a block as one
array of three axes and not as matrices, so that `all-linear` and IA3 would pass over them.
"""

_REFUSED: Final = """## Methods of peft that are not taken

Each breaks a rule that every method keeps; a test in `make test-all` sees that it still does.

"""


def called(method: Method) -> str:
    """Its kind and switches: `prefix unshifted`."""
    switches = [getattr(method, name, None) for name in ("targets", "positions", "network")]
    switches += ["projected"] if getattr(method, "projection_hidden", None) else []
    if isinstance(method, LoRA):
        switches += ["decomposed"] if method.decomposed else []
        switches += [method.start] if method.start != "standard" else []
    return " ".join([method.kind, *(str(switch) for switch in switches if switch)])


def body_without_memory(model_type: str) -> nn.Module:
    """The body of a family's twin on the meta device."""
    config = AutoConfig.for_model(model_type, **sizes_of(model_type))
    return meta_body(config, family_of(model_type, "a twin"), EXACT).module


def gap_of(body: nn.Module, method: Method) -> str | None:
    """Why a method cannot stand on a body, as it says itself; None: it can."""
    try:
        method.must_suit(body, anatomy_of(body), "a fresh layer")
    except AdapterError as error:
        return str(error)
    return None


def page() -> str:
    """The page, as Markdown."""
    header = ["family", "reads", *(f"`{called(method)}`" for method in TRIED), "pretraining", "checkpointing"]
    rows, reasons = [header, ["---"] * len(header)], []
    for model_type in FAMILIES:
        body = body_without_memory(model_type)
        gaps = {called(method): gap_of(body, method) for method in TRIED}
        for why in dict.fromkeys(filter(None, gaps.values())):
            names = ", ".join(f"`{name}`" for name, reason in gaps.items() if reason == why)
            reasons.append(f"- {model_type}, {names}: {why}")
        cells = ["no" if why else "yes" for why in gaps.values()]
        rows.append([model_type, *_reads(model_type), *cells, _pretrained(model_type, body), _recomputes(body)])
    why_not = "\n## Why not\n\n" + "\n".join(reasons) + "\n"
    return f"{_HEAD}\n{_lines(rows)}\n{_TAIL}{why_not}\n## Stacks\n\n{_stacks()}\n{_REFUSED}{_refused()}"


def _stacks() -> str:
    """Which method may stand above which."""
    shown = {method.kind: method for method in CATALOG} | {"lora decomposed": LoRA(decomposed=True)}
    rows = [["above \\ below", *(f"`{name}`" for name in shown)], ["---"] * (len(shown) + 1)]
    for name, above in shown.items():
        reasons = [above.composes_with(below) for below in shown.values()]
        rows.append([f"`{name}`", *(f"no: {why}" if why else "yes" for why in reasons)])
    return _lines(rows) + "\n"


def _refused() -> str:
    """The methods that are refused, by the reason."""
    reasons: dict[str, list[str]] = {}
    for kind, why in REFUSED.items():
        reasons.setdefault(why, []).append(f"`{kind}`")
    return "".join(f"- {', '.join(kinds)}: {why}.\n" for why, kinds in reasons.items())


def _lines(rows: Iterable[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _reads(model_type: str) -> list[str]:
    return [family_of(model_type, "a twin").reads.replace("-", " ")]


def _pretrained(model_type: str, body: nn.Module) -> str:
    if not family_of(model_type, "a twin").is_decoder:
        return "masked" if model_type in MASKED else "no: no masked language model in transformers"
    return f"packed, by {'positions' if anatomy_of(body).packs else 'a mask'}"


def _recomputes(body: nn.Module) -> str:
    return "yes" if body.supports_gradient_checkpointing else "no"


if __name__ == "__main__":
    sys.stdout.write(page())
