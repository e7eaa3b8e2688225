"""Loading: a finished run as a scorer of texts, from what its folder keeps and the base model that it names.

run.json, stage.yaml ─┬▶ base model, by content hash ─▶ layers from adapter/ (or model/) ─▶ head ─▶ Loaded
                      └▶ vocabulary and weights from tfidf/ ─────────────────────────────────────▶ LoadedTerms
texts ─tokenize─▶ body ─pool─▶ head ─▶ what its form of answer decides ─▶ probabilities, recalibrated or raw
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from chartune.adapters.adapter import read_adapter
from chartune.adapters.fusion import kept_stack
from chartune.adapters.stack import Attached, Stack
from chartune.answers import Answer
from chartune.batches.tokenize import load_tokenizer
from chartune.errors import AdapterError, ConfigError, RunError
from chartune.models.backbone import Backbone, LocalBackbone, inspect
from chartune.models.foreign import reading
from chartune.models.load import Body
from chartune.models.memory import within_memory
from chartune.models.numerics import Resolved
from chartune.models.quantisation import must_be_possible
from chartune.models.readers import Classifier
from chartune.notes.text_pair import Text, first_sides
from chartune.prediction.outputs import outputs_of
from chartune.prediction.scorer import Reading, Scorer
from chartune.runs.ledger import run_at, store_of
from chartune.runs.record import HEAD_FILE, layer_folders
from chartune.runs.run import Run
from chartune.stages.assembly import assemble, bare_body
from chartune.stages.bases import find_or_convert
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import Inputs
from chartune.stages.kept_weights import MODEL
from chartune.stages.model_length import as_read
from chartune.stages.model_scorer import ModelScorer
from chartune.stages.model_stage import HeadSpec, ModelStage
from chartune.stages.prompted import Prompted
from chartune.stages.prompted_scorer import LoadedPrompt, loaded_prompt
from chartune.stages.term_weights import Limit, TermWeights
from chartune.stages.tfidf import Tfidf
from chartune.store import Store


@dataclass(frozen=True)
class Loaded(ModelScorer):
    """A finished `finetune` run that reads texts."""

    run: Run


@dataclass(frozen=True)
class LoadedTerms(Scorer):
    """A finished `tfidf` run that reads texts."""

    counts: ClassVar[str] = "words"
    run: Run
    weights: TermWeights
    base: LocalBackbone | None
    """Whose token limit cuts the texts; None: they are read whole."""

    @property
    def numerics(self) -> dict[str, str]:
        """Nothing: a text is scored by itself, in double precision."""
        return {}

    def _read(self, texts: Sequence[Text]) -> Reading:
        """Frequencies of terms, weighed. Of pairs there is none that was fitted."""
        beginnings, reading = self._cut(first_sides(texts))
        return replace(reading, decided=self.form.from_odds(
            self.weights.odds(beginnings), self.weights.classes, self.weights.prior
        ))  # fmt: skip

    def lengths(self, texts: Sequence[Text]) -> Reading:
        """How long the texts are in words; nothing is predicted."""
        return self._cut(first_sides(texts))[1]

    def _cut(self, texts: Sequence[str]) -> tuple[Sequence[str], Reading]:
        """What is read of each text, and how many words that is."""
        words = np.asarray([len(text.split()) for text in texts], dtype=np.int64)
        if self.base is None or self.weights.limit is None:
            cut = np.zeros(len(texts), dtype=np.bool_)
            return texts, Reading(np.zeros(0), words, words, words.astype(np.int32), cut)
        beginnings, encoded = as_read(texts, self.base, self.weights.limit.max_seq_len)
        read = np.where(encoded.truncated, encoded.words_seen, words)
        return beginnings, Reading(np.zeros(0), words, read, read.astype(np.int32), encoded.truncated)


LoadedRun = Loaded | LoadedTerms | LoadedPrompt
"""A finished run that scores texts."""


def _instead(run: Run) -> str:
    """What may be done with a run that scores no new texts."""
    if run.kind == "pretrain":
        return f"fine-tune on it first (`chartune finetune --clinical {run.fingerprint}`)"
    members = ", ".join(f"{member.name} ({member.run[:8]})" for member in run.about.members)
    if members:
        return f"score with each of its members: {members}"
    return f"what it predicted of its own rows `chartune predictions {run.fingerprint}` writes"


@within_memory()
def load(run: Run | str, store: Store | Path | str | None = None, base: Backbone | None = None) -> LoadedRun:
    """A finished `finetune`, `tfidf` or `prompted` run as what it was made for: something that scores texts.

    Args:
        run: from this store or copied from another; or its fingerprint, the beginning of it, its name or its folder.
        store: where base models are; None: that of the run; of a reference `CHARTUNE_STORE`, or `chartune-store` in the
            working folder.
        base: where the base model is now; None: where the run found it.

    Raises:
        RunError: the run scores no texts, or was made before runs kept all that is needed; or memory has run out.
        ConfigError: the base model is missing.
        AdapterError: the base model is another one, or the run's weights do not fit it.
    """
    store = store_of(run, store)
    run = run if isinstance(run, Run) else run_at(store, run)
    if run.kind not in ("finetune", "tfidf", "prompted"):
        raise RunError(
            f"a run that scores new texts must be a fine-tuned one, a prompted one or TF-IDF, but {run.name!r} is of "
            f"kind {run.kind}; {_instead(run)}."
        )
    known = outputs_of(run)
    if run.kind == "tfidf":
        weights = TermWeights.read_from(run)
        scored = (known.origin, known.labels, known.titles, known.form, known.calibration)
        return LoadedTerms(*scored, run, weights, _limiting(run, weights.limit, store, base))
    if run.kind == "prompted":
        asked = Prompted.parse(run.stage, str(run.path / "stage.yaml"))
        return loaded_prompt(run, asked, inputs_of_run(run, asked, store, base), known, store)
    stage = Finetune.parse(run.stage, str(run.path / "stage.yaml"))
    return fine_tuned(run, stage, inputs_of_run(run, stage, store, base))[0]


def fine_tuned(
    run: Run, stage: Finetune, inputs: Inputs, body_of: Callable[[ModelStage, Inputs], Body] = bare_body
) -> tuple[Loaded, Attached]:
    """A `finetune` run as a scorer, and its body with the layers on it.

    Args:
        run: finished.
        stage: its config.
        inputs: from `inputs_of_run`.
        body_of: makes the base model with merged layers in its weights.

    Raises:
        RunError: the run was made before runs kept all that is needed.
        AdapterError: its weights do not fit the base model.
    """
    known, about = outputs_of(run), run.about
    if about.max_seq_len is None:
        raise RunError(f"{run.name!r} does not say how many tokens it reads; fine-tune it again.")
    spec = HeadSpec(_nothing(known.form, known.labels), known.form.loss)
    model, attached = _model(run, stage, inputs, spec, body_of)
    loaded = Loaded(
        known.origin, known.labels, known.titles, known.form, known.calibration, model, load_tokenizer(inputs.base),
        inputs.resolved, about.max_seq_len, stage.long, bool(about.of_pairs), run,
    )  # fmt: skip
    return loaded, attached


def inputs_of_run(run: Run, stage: ModelStage, store: Store, base: Backbone | None = None) -> Inputs:
    """Base, layers as the run keeps them, and its numerics; on another device only the device differs.

    Args:
        run: that has trained on a base model.
        stage: its config.
        store: where base models are.
        base: where the base model is now; None: where the run found it.

    Raises:
        RunError: the run does not say which base model it stands on.
        ConfigError: the base model is missing, or it was quantised and cannot be here.
        AdapterError: it is another one, or a layer does not fit it.
    """
    backbone = _base(run, stage, store, base)
    adapters = tuple(read_adapter(run.path / layer) for layer in layers_of_run(run, stage))
    for adapter in adapters:
        adapter.must_fit(backbone)
    known = run.environment
    on_gpu = known.get("device") == "cuda" and torch.cuda.is_available()
    device: Literal["cpu", "cuda"] = "cuda" if on_gpu else "cpu"
    must_be_possible(known.get("quantisation", "none"), device)
    resolved = Resolved(
        device, known["precision"], known["attention"], "as the run", known.get("reading", "as-trained"),
        known.get("quantisation", "none"),
    )  # fmt: skip
    return Inputs(backbone, adapters, resolved)


def _nothing(form: Answer, labels: Sequence[str]) -> NDArray[np.float32]:
    """Where a head begins that is overwritten at once, [outputs]."""
    return np.zeros(form.outputs(len(labels)), dtype=np.float32)


def _model(
    run: Run, stage: Finetune, inputs: Inputs, spec: HeadSpec, body_of: Callable[[ModelStage, Inputs], Body]
) -> tuple[Classifier, Attached]:
    """Base, stack and head of a run, as it keeps them."""
    # Where every weight has learnt, the run keeps them all, with what was merged below.
    kept = Stack(layers=stage.stack.layers[-1:]) if stage.stack.trains_all() else kept_stack(inputs.adapters)
    frozen = stage.model_copy(update={"stack": kept})
    assembled = assemble(frozen, inputs, body_of(frozen, inputs), spec)
    model = cast(Classifier, assembled.reader)
    model.requires_grad_(False)
    read_head(model, run.artefact.file(HEAD_FILE))
    return model.eval(), assembled.attached


def _base(run: Run, stage: ModelStage, store: Store, base: Backbone | None) -> LocalBackbone:
    """The base model of a run; where every weight has learnt, what the run itself keeps."""
    recorded = run.about.backbone
    if recorded is None or recorded.content_hash is None:
        raise RunError(f"{run.name!r} does not say which base model it stands on; fine-tune it again.")
    if stage.layers().trains_all():
        for file in sorted((run.path / MODEL).iterdir()):
            run.artefact.file(f"{MODEL}/{file.name}")  # as it was signed
        name, licence, read = (str(each or "") for each in (recorded.name, recorded.licence, recorded.exposure))
        return inspect(run.path / MODEL, name=name, licence=licence, exposure=read)
    return _recorded(run, recorded.name, recorded.content_hash, base or stage.backbone, store)


def _limiting(run: Run, limit: Limit | None, store: Store, base: Backbone | None) -> LocalBackbone | None:
    """The base model whose token limit cuts the texts of a TF-IDF run; None: they are read whole."""
    stage = Tfidf.parse(run.stage, str(run.path / "stage.yaml"))
    if limit is None or stage.length is None:
        return None
    return _recorded(run, limit.backbone, limit.content_hash, base or stage.length.backbone, store)


def _recorded(run: Run, name: str | None, content_hash: str, base: Backbone, store: Store) -> LocalBackbone:
    """A base model that is the one that a run names by its content."""
    local = find_or_convert(base, store)
    if local is None:
        raise ConfigError(
            f"{run.name!r} needs its base model {name}, but this store has none; copy it, and say where it is."
        )
    if content_hash not in (local.content_hash, local.former_hash):
        raise AdapterError(
            f"a run must be read with the base model that it was trained on ({name}, {content_hash[:12]}), but "
            f"{local.name} is {local.content_hash[:12]}; say where its own is."
        )
    return local


def layers_of_run(run: Run, stage: ModelStage) -> list[str]:
    """Where the layers of a run lie in its folder, the lowest first; none where every weight has learnt."""
    if stage.layers().trains_all():
        return []
    return layer_folders([layer.state for layer in run.about.layers])


def read_head(model: Classifier, path: Path) -> None:
    """Take the weights of a head from its file. Raises AdapterError: it is damaged, or of another shape."""
    with reading("safetensors", f"{path} must hold the head that belongs to these weights", "fine-tune again"):
        weights = load_file(path)
    needed, held = ({name: list(t.shape) for name, t in each.items()} for each in (model.head.state_dict(), weights))
    for name in sorted(needed.keys() | held.keys()):
        if needed.get(name) != held.get(name):
            raise AdapterError(
                f"a head must be as wide as its model and have an output for each label ({needed}), but of "
                f"{ascii(name)[:80]} {path} holds {held.get(name) or 'nothing'}; take all files of one run, or "
                f"fine-tune again."
            )
    model.head.load_state_dict(weights)
