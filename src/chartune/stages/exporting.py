"""Export: what a run has learnt, in a folder that stock libraries read; private, in no repository, with its card.

    adapter/ or model/ of a run ─┬─ as they are ──▶ adapter/…, each of which stock peft reads on the base model
                                 └─ merged, fp32 ─▶ model/: a stock model without layers, which AutoModel reads
    head, labels, pooling, calibration ────────────▶ head.safetensors, export.json and load.py, which reads them all

The folder appears whole or not at all. No stock class holds our pooling and head, so `load.py` does, in forty lines of
plain torch; what was pretrained is a stock language model, causal or masked. Nothing is sent anywhere.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from chartune import __version__, adapters
from chartune.adapters.adapter import Adapter
from chartune.adapters.fit import body_of
from chartune.adapters.fusion import kept_stack, merging
from chartune.adapters.placing import must_merge
from chartune.adapters.stack import attach
from chartune.batches.long_texts import First
from chartune.batches.tokenize import load_tokenizer, save_tokenizer
from chartune.errors import AdapterError, RunError
from chartune.metrics.recalibrators import Calibration
from chartune.models.anatomy import anatomy_of
from chartune.models.backbone import Backbone, LocalBackbone
from chartune.models.load import load_body, save_model
from chartune.models.memory import within_memory
from chartune.models.semantic_types import vocabulary_of
from chartune.models.tokenizer import padding_of, tokenizer_as_given
from chartune.outputs import must_be_new_outside_repositories, new_folder, placed
from chartune.report.card import MODEL_CARD, card_of, card_text
from chartune.runs.record import HEAD_FILE
from chartune.runs.run import Run
from chartune.stages.export_card import how_to_load, memorisation
from chartune.stages.export_record import ABOUT, SUMS
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import Inputs
from chartune.stages.kept_weights import MODEL
from chartune.stages.loading import inputs_of_run, layers_of_run
from chartune.stages.pretrain import Pretrain
from chartune.store import Store, sha256, write_bytes, write_json
from chartune.tasks.dataset import read_dataset

LOADER: Final = "load.py"
TOKENIZER: Final = "tokenizer"
WARNING: Final = (
    "weights that have learnt from notes may hold patients' words: treat the folder like the notes, the same "
    "people, the same machines, the same agreement; it was not audited for memorisation"
)
TOLERANCE: Final = 1e-3
"""Of the largest number: far above what rounding does to merged weights, far below what a lost layer does."""


@within_memory()
def export(run: Run, store: Store, to: Path, *, merged: bool = False, base: Backbone | None = None) -> Path:
    """Write what a run has learnt into a new folder that needs no chartune to be read.

    Args:
        run: a finished `finetune` or `pretrain` run.
        store: where base models are.
        to: the folder; it must not exist or be empty, and must not lie in a git working tree.
        merged: the base model with all layers merged in fp32, in place of the layers alone.
        base: where the base model is now; None: where the run found it.

    Returns:
        The folder.

    Raises:
        RunError: the run keeps no weights of a model, or memory has run out.
        ConfigError: the folder cannot be taken, or the base model is missing.
        AdapterError: a layer cannot be merged, or stock peft reads it as something else; or the base is another one.
        StoreError: no room, or a file of the run is damaged.
    """
    folder, stage = placed(to, "--to"), _stage(run)
    must_be_new_outside_repositories(folder, "--to")
    inputs = inputs_of_run(run, stage, store, base)
    layers, whole = layers_of_run(run, stage), merged or stage.layers().trains_all()
    if whole:
        must_merge([adapter.method for adapter in _adapters(inputs)])
        _must_hold_numbers(inputs)
    else:
        layers = _as_stock_reads(layers, inputs)
    with new_folder(folder, "--to", store.root) as aside:
        if whole:
            _write_model(stage, inputs, aside / MODEL)
        else:
            _copy(run, layers, aside)
        _write_tokenizer(stage, inputs.base, aside / (MODEL if whole else TOKENIZER))
        about = _about(run, stage, inputs, [] if whole else layers, whole=whole)
        write_json(aside / ABOUT, about)
        if isinstance(stage, Finetune):
            write_bytes(aside / HEAD_FILE, run.artefact.file(HEAD_FILE).read_bytes())
            write_bytes(aside / LOADER, Path(adapters.__file__).with_name("standalone.py").read_bytes())
        write_bytes(aside / MODEL_CARD, _card(run, store, about).encode())
        _close(aside)
    return folder


def _stage(run: Run) -> Finetune | Pretrain:
    """Its config. Raises RunError: it keeps no weights of a model."""
    place = str(run.path / "stage.yaml")
    if run.kind == "finetune":
        stage = Finetune.parse(run.stage, place)
        if run.form is not None and not run.form.whole_text:
            raise RunError(
                f"an export must predict what applies to a whole text, but {run.name!r} predicts spans, which no stock "
                f"loader puts together; score new notes with `chartune predict`."
            )
        if run.about.of_pairs:
            raise RunError(
                f"an export must read one text, but {run.name!r} reads pairs of texts, which `load.py` does not; score "
                f"new pairs with `chartune predict`."
            )
        if stage.bidirectional:
            raise RunError(
                f"an export must read as stock transformers does, but the tokens of {run.name!r} see those behind "
                f"them (`bidirectional`), which no stock decoder lets them; score new notes with `chartune predict`."
            )
        if not isinstance(stage.long, First):
            raise RunError(
                f"an export must read the first tokens of a text, but {run.name!r} reads long texts otherwise "
                f"(long.kind={stage.long.kind}), which `load.py` cannot; score new notes with `chartune predict`, or "
                f"train the same with `--set long.kind=first` and export that."
            )
        return stage
    if run.kind == "pretrain":
        return Pretrain.parse(run.stage, place)
    reasons = {
        "tfidf": "its vocabulary consists of patients' words", "structured": "it reads no text",
        "prior": "it reads no text", "ensemble": "it averages predictions of other runs",
        "prompted": "its base model is as it came",
    }  # fmt: skip
    why = reasons.get(run.kind, "it has trained nothing")
    raise RunError(
        f"what is exported must be weights of a model, but {run.name!r} is a {run.kind} run and {why}; score new notes "
        f"with `chartune predict`."
    )


def _numbers(inputs: Inputs) -> str:
    """The precision, and quantisation, that the run computed in."""
    resolved = inputs.resolved
    quantised = "" if resolved.quantisation == "none" else f", on a base in {resolved.quantisation}"
    return f"{resolved.precision}{quantised}"


def _must_hold_numbers(inputs: Inputs) -> None:
    """Refuse to merge into codes. Raises AdapterError: the base was quantised."""
    if inputs.resolved.quantisation != "none":
        raise AdapterError(
            f"merged layers must compute as the run does, but they have learnt on a base in "
            f"{inputs.resolved.quantisation}, and merged into its numbers in fp32 they would give others; export "
            f"without --merged."
        )


def _adapters(inputs: Inputs) -> list[Adapter]:
    return [adapter for adapter in inputs.adapters if adapter]


def _as_stock_reads(layers: Sequence[str], inputs: Inputs) -> list[str]:
    """The folders of layers in the order in which stock peft can read them, one on the other, the last unmerged.

    Raises:
        AdapterError: it cannot.
    """
    if vocabulary_of(inputs.base):
        raise AdapterError(
            f"a layer that is exported must stand on a base that stock transformers reads as the run did, but "
            f"{inputs.base.name} is read with its semantic types, which AutoModel leaves out; export with --merged, "
            f"which holds them in its embeddings."
        )
    body, methods = body_of(inputs.base), [adapter.method for adapter in _adapters(inputs)]
    reasons = [
        f"{method.title()}: {why}" for method in methods if (why := method.misread_by_peft(body, anatomy_of(body)))
    ]
    unmerged = [layer for layer, method in zip(layers, methods, strict=True) if method.unmergeable]
    if len(unmerged) > 1:
        reasons.append("stock peft has one layer at a time, and several here cannot be merged into what is below them")
    if reasons:
        raise AdapterError(
            f"a layer that is exported must be one that stock peft reads, but {reasons[0]}; score new notes with "
            f"`chartune predict`, which reads every run."
        )
    return [*(layer for layer in layers if layer not in unmerged), *unmerged]


def _write_model(stage: Finetune | Pretrain, inputs: Inputs, folder: Path) -> None:
    """The base model with all layers in its weights, in fp32; proved on a few tokens.

    Raises:
        RunError: the merged model reads them otherwise.
    """
    numerics, layers = replace(inputs.resolved, device="cpu", precision="fp32"), kept_stack(inputs.adapters)
    change = merging(layers, inputs.adapters)
    body = load_body(inputs.base, numerics, language_model=stage.needs_lm_head, change=change)
    attached = attach(layers, body.module, inputs.adapters, seed=0)
    expected = _states(attached.module)
    attached.merge()
    gap, most = float((_states(attached.module) - expected).abs().max()), float(expected.abs().max())
    if not gap <= TOLERANCE * most:
        raise RunError(
            f"a merged model must read a text as its layers do, but its states differ by {gap:.1g} of {most:.1g}; a "
            f"defect of chartune, please report it, and export without --merged."
        )
    model: Any = body.whole if stage.needs_lm_head else body.module
    model.config.use_cache = inputs.base.config.get("use_cache", True)
    save_model(model, folder)


def _states(body: nn.Module) -> Tensor:
    """Hidden states of a few tokens, [1, T, D]."""
    ids = torch.arange(3, 11).unsqueeze(0)
    with torch.inference_mode():
        states: Tensor = body.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    return states


def _copy(run: Run, layers: Sequence[str], folder: Path) -> None:
    """The layers' files, each as it was signed."""
    for layer in layers:
        (folder / layer).mkdir(parents=True)
        for file in sorted((run.path / layer).iterdir()):
            shutil.copyfile(run.artefact.file(f"{layer}/{file.name}"), folder / layer / file.name)


def _write_tokenizer(stage: Finetune | Pretrain, base: LocalBackbone, folder: Path) -> None:
    """The tokenizer of the base model; of a task it pads and cuts as the run did."""
    tokenizer = tokenizer_as_given(base)
    if isinstance(stage, Finetune):
        used = load_tokenizer(base)
        tokenizer.pad_token = used.convert_ids_to_tokens(padding_of(used))
        tokenizer.padding_side, tokenizer.model_max_length = "right", stage.max_seq_len
    save_tokenizer(tokenizer, folder)


def _about(
    run: Run, stage: Finetune | Pretrain, inputs: Inputs, layers: Sequence[str], *, whole: bool
) -> dict[str, Any]:
    """What `load.py` and its reader must know."""
    base, about = inputs.base, run.about
    recorded = about.backbone
    entries: dict[str, Any] = {
        "chartune": __version__, "run": run.fingerprint, "name": run.name, "kind": run.kind,
        "sensitivity": "restricted", "audited_for_memorisation": False,
        "base": {"name": recorded and recorded.name, "content_hash": recorded and recorded.content_hash,
                 "licence": recorded and recorded.licence,
                 "files": {} if whole else {file.path.name: file.sha256 for file in base.files}},
        "model": MODEL if whole else None, "adapters": list(layers), "tokenizer": MODEL if whole else TOKENIZER,
        "stack": about.stack_title, "trained_in": _numbers(inputs), "max_seq_len": stage.max_seq_len,
    }  # fmt: skip
    if not isinstance(stage, Finetune):
        return entries
    form, calibration = about.form, about.calibration
    if form is None or about.labels is None:
        raise RunError(f"{run.name!r} was made by an older version that kept no label names; fine-tune it again.")
    options = {**base.family.parts(language_model=False), "attn_implementation": inputs.resolved.attention}
    return entries | {
        "options": options, "pooling": stage.head.pooling_for(base.family), "normalise": stage.head.normalise,
        "task": about.task, "answer": form.kind, "several": form.several,
        "labels": list(about.labels), "titles": list(about.titles or about.labels),
        "calibration": calibration and calibration.to_json(), **_linear(calibration, len(about.labels)),
        "line_breaks": (run.stage.get("data") or {}).get("line_breaks", "repaired"),
    }  # fmt: skip


def _linear(calibration: Calibration | None, labels: int) -> dict[str, Any]:
    """A recalibration as `load.py` applies it to logits: times `slope`, plus `offset` [labels]."""
    if calibration is None or calibration.knots is not None or not calibration.rises:
        return {"slope": 1.0, "offset": [0.0] * labels}
    return {"slope": calibration.slope, "offset": [*[0.0] * (labels - 1), calibration.intercept]}


def _card(run: Run, store: Store, about: dict[str, Any]) -> str:
    """The card of the run as it would be written today, and what is true of the export."""
    data = store.find("data", run.data) if run.data else None
    loaded = how_to_load(about, masked=bool(run.about.masking))
    sections = card_of(run, read_dataset(data) if data else None, loaded=loaded)
    return card_text(run.about, [*sections, memorisation()])


def _close(folder: Path) -> None:
    """Hashes of all files, and everything for its owner alone."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    sums = (f"{sha256(file)}  {file.relative_to(folder).as_posix()}\n" for file in files)
    write_bytes(folder / SUMS, "".join(sums).encode())
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
