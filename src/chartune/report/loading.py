"""How the weights of a run are loaded again: with chartune, and with stock peft where that can read them."""

from typing import Final

from chartune.cards import quoted
from chartune.runs.record import RunRecord, layer_folders

MERGED: Final = "-merged"
"""Ends the folder of a layer that is a part of the base's weights."""

UNLOADED: Final = {
    "structured": "It keeps no weights and reads no text: its predictions are what it leaves.",
    "prior": "It keeps no weights and reads no text: its predictions are what it leaves.",
    "prompted": "It keeps no weights: its base is as it came. `chartune predict` scores new notes with its prompt.",
    "ensemble": "It keeps no weights of its own: score new notes with each of its members.",
}  # fmt: skip
"""Kinds of runs that nothing is loaded from, and why."""


def loading(about: RunRecord) -> tuple[tuple[str, ...], str]:
    """Paragraphs and code for the card of a run, as of a `run.json`; no code: it keeps no weights."""
    stack = about.layers
    if about.kind in UNLOADED:
        return (UNLOADED[about.kind],), ""
    if not about.backbone:
        return (
            "The vocabulary and the weights of its terms are in `tfidf/`. The vocabulary consists of patients' words; "
            "it is as restricted as the notes. `chartune predict` scores new notes with them.",
        ), ""
    if any(layer.kind == "full" for layer in stack):
        return _whole(about)
    if not stack:
        return (
            (
                "The base model is as it came; what was learnt is in `head.safetensors`. It is read by chartune only: "
                "run the `stage.yaml` of this folder again, and the finished run is found.",
            ),
            "",
        )
    folders = layer_folders([layer.state for layer in stack])
    text = (
        "With chartune, as a layer of the next stack: name this run, or its `adapter` folder. A base model with "
        "another content hash is refused.",
        "With stock peft, on the bare body (`AutoModel`), as in the second half. "
        + ("The updates of the layers add up; all must be active. " if len(folders) > 1 else "")
        + ("The head in `head.safetensors` is chartune's own and not read by peft." if about.task else ""),
    )
    return tuple(
        part.strip() for part in text
    ), f"{_with_chartune(folders)}\n\n{_with_peft(folders, str(about.backbone.name))}"


def _with_chartune(folders: list[str]) -> str:
    kinds = ["Merged" if folder.endswith(MERGED) else "Frozen" for folder in folders]
    layers = ", ".join(f"{kind}(adapter={quoted(folder)})" for kind, folder in zip(kinds, folders, strict=True))
    names = ", ".join(sorted({"Fresh", "Stack", *kinds}))
    return f"from chartune import {names}\n\nstack = Stack(layers=({layers}, Fresh()))"


def _with_peft(folders: list[str], base: str) -> str:
    lines = [
        "from peft import PeftModel",
        "from transformers import AutoModel",
        "",
        f"body = AutoModel.from_pretrained({quoted(base)})  # a local folder with the content hash above",
    ]
    if len(folders) > 1 and folders[0].endswith(MERGED):
        below, *folders = folders
        lines.append(f"body = PeftModel.from_pretrained(body, {quoted(below)}).merge_and_unload()")
    lines += [
        f'model = PeftModel.from_pretrained(body, {quoted(folders[0])}, adapter_name="layer0")',
    ]
    lines += [
        f'model.load_adapter({quoted(folder)}, adapter_name="layer{n}")' for n, folder in enumerate(folders[1:], 1)
    ]
    if len(folders) > 1:
        names = ", ".join(f'"layer{n}"' for n in range(len(folders)))
        lines.append(f"model.base_model.set_adapter([{names}])")
    return "\n".join(lines)


def _whole(about: RunRecord) -> tuple[tuple[str, ...], str]:
    head = " The head is in `head.safetensors`." if about.task else ""
    code = 'from transformers import AutoModel\n\nbody = AutoModel.from_pretrained("model")'
    return (f"Every weight was trained; the whole model is in `model`.{head}",), code
