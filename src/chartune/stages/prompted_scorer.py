"""A finished prompted run as a scorer of texts: the base model that it names, with its prompt put together again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chartune.batches.prompting import Asked, Prompter, Wording
from chartune.batches.text_pairs import are_pairs
from chartune.batches.tokenize import load_tokenizer
from chartune.errors import DataError, RunError
from chartune.models.readers import LanguageModel
from chartune.notes.text_pair import Text
from chartune.prediction.outputs import Outputs
from chartune.prediction.scorer import Reading, Scorer
from chartune.runs.run import Run
from chartune.stages.asking import Questioner, calibrated, with_examples
from chartune.stages.assembly import assemble, bare_body
from chartune.stages.facts import environment, numerics_of
from chartune.stages.inputs import Inputs
from chartune.stages.prompted import Prompted
from chartune.stages.table import read_table
from chartune.store import Store


@dataclass(frozen=True)
class LoadedPrompt(Scorer):
    """A finished `prompted` run that reads texts."""

    run: Run
    questioner: Questioner
    of_pairs: bool
    """Whether it is asked about pairs of texts."""

    @property
    def numerics(self) -> dict[str, str]:
        """As of any model that reads texts."""
        return numerics_of(self.questioner.resolved)

    @property
    def environment(self) -> dict[str, Any]:
        """As a run records it."""
        return environment(self.questioner.resolved, {})

    def _read(self, texts: Sequence[Text]) -> Reading:
        """Prompts, likelihoods of labels."""
        asked = self._asked(texts)
        return self._reading(asked, self.form.decide(self.questioner.logits(asked)))

    def lengths(self, texts: Sequence[Text]) -> Reading:
        """How long the texts are in tokens, their prompts apart; nothing is predicted."""
        return self._reading(self._asked(texts), np.zeros(0))

    def _asked(self, texts: Sequence[Text]) -> list[Asked]:
        if len(texts) and are_pairs(texts) != self.of_pairs:
            asked, given = ("pairs of texts", "single ones") if self.of_pairs else ("single texts", "pairs")
            raise DataError(f"{self.origin.name} asks about {asked}, but is given {given}; give it such.")
        return self.questioner.asked(texts)

    def _reading(self, asked: Sequence[Asked], decided: NDArray[np.float64]) -> Reading:
        whole, read, words = (
            np.asarray([getattr(one, name) for one in asked], dtype=np.int64) for name in ("tokens", "read", "words")
        )
        return Reading(decided, whole, read, words.astype(np.int32), read < whole, beginning=not self.of_pairs)


def loaded_prompt(run: Run, stage: Prompted, inputs: Inputs, known: Outputs, store: Store) -> LoadedPrompt:
    """A finished run as a scorer.

    Args:
        run: a prompted one.
        stage: its config.
        inputs: its base model and numerics.
        known: what its outputs mean.
        store: where its prepared data are, which hold the texts of its examples.

    Raises:
        RunError: they are not there.
    """
    prompt, tokenizer = run.about.prompt or {}, load_tokenizer(inputs.base)
    wording = Wording(prompt["instruction"], prompt["template"], tuple(prompt["verbalizers"]))
    if prompt["examples"]:
        data = store.find("data", run.data or "")
        if data is None:
            raise RunError(
                f"the prompt of {run.name!r} holds {prompt['examples']} training texts, but the prepared data "
                f"{run.data} are not in this store; prepare them again, or ask with `examples` 0."
            )
        table = read_table(data, run.task or "", for_model=True)
        wording = with_examples(wording, table, prompt["examples"], stage.seed, stage.example_tokens, tokenizer)
    model = cast(LanguageModel, assemble(stage, inputs, bare_body(stage, inputs)).reader)
    model.requires_grad_(False)
    plain = Questioner(Prompter(wording, tokenizer, stage.max_seq_len), model.eval(), inputs.resolved, stage.normalised)
    of_pairs = bool(run.about.of_pairs)
    asks = calibrated(plain, of_pairs=of_pairs) if stage.calibrated else plain
    scored = (known.origin, known.labels, known.titles, known.form, known.calibration)
    return LoadedPrompt(*scored, run, asks, of_pairs)
