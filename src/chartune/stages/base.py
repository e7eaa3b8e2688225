"""The small LLaMA: pretrained by the project itself, on this machine, from English that every machine has.

Nothing can be downloaded behind a hospital's firewall, so the demo's base model is made on the spot: its own tokenizer,
1.9 million parameters, about a minute on two cores. Real work names a real base model; the path is the same.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from pydantic import Field
from transformers import LlamaConfig

from chartune.batches.budgets import budget_of
from chartune.batches.masking import Masker
from chartune.batches.pack import Blocks, pack
from chartune.batches.tokenize import encode, train_tokenizer
from chartune.config import Config, Unhashed, fingerprint
from chartune.errors import ConfigError
from chartune.launched import processes
from chartune.log import EVENTS, EventLog
from chartune.metrics.perplexity import perplexity_named
from chartune.models.load import new_llama
from chartune.models.numerics import Numerics, Resolved, resolve
from chartune.models.readers import LanguageModel
from chartune.prediction.predictions import total_nll
from chartune.quantities import Duration
from chartune.sources.english import python_documents
from chartune.stages.stage import CHECKPOINTS, remove_checkpoints
from chartune.store import WAIT_SECONDS, Store, storing, write_json
from chartune.train.loop import fit
from chartune.train.objective import Evaluation, Objective
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.training import Training

SHELF: Final = "backbones"
REVISION: Final = 1
HELD_OUT: Final = 20
"""Every so-manieth document is held out, to see that the base has learnt English and not the documents."""


class SmallBase(Config):
    """A LLaMA small enough to be made in a minute."""

    vocabulary: int = Field(4096, gt=300)
    """Entries of its byte-level tokenizer."""
    hidden_size: int = Field(160, gt=0)
    """D."""
    layers: int = Field(4, gt=0)
    """Blocks."""
    heads: int = Field(5, gt=0)
    """Attention heads; must divide the hidden size."""
    intermediate_size: int = Field(432, gt=0)
    """Width of the MLP."""
    block: int = Field(128, gt=1)
    """Tokens per packed block in pretraining."""
    max_positions: int = Field(1024, gt=1)
    """The longest sequence that it can read."""
    optimisation: Optimisation = Optimisation(
        learning_rate=3e-3, weight_decay=0.05, batch_size=8, duration=Duration.epochs(0.8), schedule="cosine"
    )
    """How it is trained; the duration is in passes over the text, not in seconds, so that it is the same everywhere."""
    numerics: Numerics = Numerics()
    """How numbers are computed."""
    seed: int = Field(0, ge=0)
    """Weights and order are drawn from it."""
    documents: Annotated[int | None, Unhashed()] = None
    """Use only so many documents; for tests."""

    def shape(self, pad: int, bos: int, eos: int) -> LlamaConfig:
        """As a transformers config."""
        return LlamaConfig(
            vocab_size=self.vocabulary, hidden_size=self.hidden_size, intermediate_size=self.intermediate_size,
            num_hidden_layers=self.layers, num_attention_heads=self.heads, max_position_embeddings=self.max_positions,
            tie_word_embeddings=True, pad_token_id=pad, bos_token_id=bos, eos_token_id=eos,
        )  # fmt: skip


def make_base(base: SmallBase, store: Store) -> None:
    """Pretrain the small LLaMA into the store, resuming where a killed attempt stopped.

    Raises:
        ConfigError: it is not there yet, and several processes were launched.
    """
    documents = python_documents()[: base.documents]
    resolved = resolve(base.numerics, base.block)
    parts = {"base": base.hashable(), "documents": documents, "numerics": resolved.hashable()}
    name = fingerprint(SHELF, REVISION, parts)
    if store.find(SHELF, name):
        return
    if processes() > 1:
        raise ConfigError(
            f"the small LLaMA is pretrained by one process, but {processes()} were started (WORLD_SIZE); give the "
            f"command once without torchrun, or choose another --base."
        )
    with store.lease(SHELF, name, patience=WAIT_SECONDS):
        if store.find(SHELF, name):  # another process has made it meanwhile
            return
        folder = store.partial(SHELF, name)
        with storing(folder):
            _pretrain(base, documents, resolved, folder)
            remove_checkpoints(folder)
        store.publish(SHELF, name, {"sensitivity": "open"})


def _pretrain(base: SmallBase, documents: Sequence[str], resolved: Resolved, folder: Path) -> None:
    """Write tokenizer, model and what was measured."""
    tokenizer = train_tokenizer(documents, base.vocabulary, folder)
    train, held = _blocks(documents, tokenizer, base.block)
    shape = base.shape(tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    body = new_llama(shape, resolved, base.seed)
    model = body.language_model(body.module).to(resolved.device)
    fitted = fit(Training(
        lm_objective(model, train), base.optimisation, Stopping(evaluations_per_epoch=2, patience=99),
        base.seed, resolved.precision, folder / CHECKPOINTS, EventLog(folder / EVENTS),
        lambda: lm_evaluation(model, held, resolved), title="pretrain the small LLaMA",
        budget=budget_of(
            base.optimisation.micro_batch_tokens, resolved.device, resolved.precision, decoder=True
        ),
    ))  # fmt: skip
    body.save(folder)
    perplexity = lm_evaluation(model, held, resolved).values["perplexity"]
    facts = {"held_out_perplexity": perplexity, "tokens": fitted.state.tokens, "seconds": fitted.state.seconds}
    write_json(folder / "base.json", {"config": base.model_dump(mode="json"), **facts})


def _blocks(documents: Sequence[str], tokenizer: Any, block: int) -> tuple[Blocks, Blocks]:
    """Documents to learn from and those held out, each packed into blocks of so many tokens."""
    learnt = [document for i, document in enumerate(documents) if i % HELD_OUT]
    train, held = (
        pack(encode(part, tokenizer, None, special=False), tokenizer, block) for part in (learnt, documents[::HELD_OUT])
    )
    return train, held


def lm_objective(model: LanguageModel, blocks: Blocks, masker: Masker | None = None, seed: int = 0) -> Objective:
    """Prediction of tokens over blocks, every predicted token weighing the same.

    Args:
        model: what learns.
        blocks: packed documents, or rows for an encoder.
        masker: masks rows anew at each step; None: the next token is predicted.
        seed: of the run; masks are drawn from it.
    """
    if masker is None:
        return Objective(model, lambda which, _: blocks.batch(which), blocks.lengths, blocks.predicted_tokens)
    drawn = partial(masker.trained, blocks, seed)
    return Objective(model, drawn, blocks.lengths, masker.masking.guessed(blocks))


def lm_evaluation(model: LanguageModel, blocks: Blocks, numerics: Resolved) -> Evaluation:
    """Token-weighted perplexity on held-out blocks; the score is the negative log-likelihood, turned round."""
    nats, tokens = total_nll(model, blocks, numerics)
    mean = nats / max(1, tokens)
    name = perplexity_named("perplexity", masked=blocks.shown is not None)
    return Evaluation(-mean, {"nll": mean, name: float(np.exp(mean))})
