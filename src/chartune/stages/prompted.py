"""Prompted: a causal model as it came, asked by a prompt with no example or a few; nothing is trained.

templates × numbers of examples ─log p of labels (`chartune.stages.asking`)─▶ scores on the validation split ─best─▶
the prompt by which the test split is scored

Answers are compared by their likelihood, as Brown et al. (2020, §2.4) do; contextual calibration: Zhao et al. (2021).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from chartune.adapters.stack import Stack
from chartune.batches.prompting import DOUBLE, PAIR, SINGLE, Asked, Prompter, Wording, must_be_template
from chartune.batches.tokenize import load_tokenizer
from chartune.errors import AdapterError, ConfigError
from chartune.log import say
from chartune.made_up import oracle_of
from chartune.models.backbone import LocalBackbone
from chartune.models.families import Family
from chartune.models.load import Body, must_be_language_model, parameters_of
from chartune.models.numerics import Resolved
from chartune.models.readers import Classifier, LanguageModel
from chartune.runs.run import Run
from chartune.stages.asking import Questioner, calibrated, with_examples
from chartune.stages.assembly import assemble, bare_body
from chartune.stages.facts import backbone_facts, source_facts, task_facts
from chartune.stages.inputs import Inputs, inputs_of
from chartune.stages.model_stage import HeadSpec, ModelStage
from chartune.stages.recalibrating import Recalibrated, recalibration
from chartune.stages.scoring import score, validated, write_predictions
from chartune.stages.stage import Outcome, Work, perform
from chartune.stages.table import TaskTable, read_table
from chartune.store import Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import prepare

REVISION: Final = 1


class Prompted(ModelStage, Recalibrated):
    """A causal model asked by a prompt; its template and number of examples are chosen on the validation split."""

    needs_lm_head: ClassVar[bool] = True

    kind: Literal["prompted"] = "prompted"
    task: str = ""
    """Which of the prepared tasks; the beginning of a name will do; empty: the first."""
    instruction: str | None = None
    """Stands before everything; None: the name of the task and its labels; empty: nothing."""
    templates: tuple[str, ...] = ()
    """How a text and its label are written: `{text}` (of pairs `{text_pair}`, too), words, `{label}`; of several the
    one that does best on the validation split. Empty: the text, and `Answer:` in a line of its own."""
    examples: tuple[int, ...] = Field((0,), min_length=1)
    """How many training texts with their labels stand in the prompt, drawn by the seed, in turn from each class; of
    several numbers the one that does best on the validation split."""
    example_tokens: int = Field(64, gt=0)
    """Tokens of each example's text (of a pair: of each side)."""
    verbalizers: dict[str, str] = Field(default_factory=dict)
    """Label → what stands for it in the prompt; of a label that is not named its title."""
    normalised: bool = True
    """Whether the log-likelihood of a label is the mean over its tokens, so that long labels are not behind."""
    calibrated: bool = False
    """Whether labels are weighed by what the model gives them for texts without content (contextual calibration)."""

    @field_validator("templates")
    @classmethod
    def _as_templates(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            must_be_template(template)
        return templates

    @field_validator("examples")
    @classmethod
    def _as_numbers(cls, examples: tuple[int, ...]) -> tuple[int, ...]:
        if min(examples, default=0) < 0:
            raise ValueError(f"a prompt must have 0 examples or more, but `examples` holds {min(examples)}")
        return examples

    def layers(self) -> Stack:
        """Nothing: the base is asked as it came."""
        return Stack(layers=())

    def must_suit(self, backbone: LocalBackbone) -> None:
        """Raises AdapterError: an encoder, or a base without a language-model head."""
        if not backbone.family.is_decoder:
            raise AdapterError(
                f"a prompt must be read by a causal model, but {backbone.name} reads both ways; choose a decoder, such "
                f"as smollm2."
            )
        if backbone.weights:
            must_be_language_model(backbone)

    def reader(self, body: Body, family: Family, spec: HeadSpec | None) -> Classifier | LanguageModel:
        """Its language model."""
        return body.language_model(body.module)


@dataclass(frozen=True)
class Choice:
    """One way to ask, and how it does."""

    template: str
    examples: int
    questioner: Questioner
    asked: list[Asked]
    """The validation texts."""
    decided: NDArray[np.float64]
    """What is scored of them."""
    value: float
    """By what ways are compared, higher is better."""


def prompted(stage: Prompted, store: Store) -> Run:
    """Ask, or find it done.

    Raises:
        LabelError: a split lacks a class.
        AdapterError: the base is no causal model.
        ConfigError: the base is missing, a prompt does not fit, or the task asks for spans or several labels.
        DataError: the task was not prepared.
    """
    data = prepare(stage.data, store)
    dataset, table = read_dataset(data), read_table(data, stage.task, for_model=True)
    must_be_asked(stage, table)
    table.must_be_learnable()
    inputs = inputs_of(stage, store)
    for warning in inputs.circular(dataset.source):
        say(f"warning: {warning}")
    base = inputs.base
    return perform(
        stage, store, data, kind="prompted", revision=REVISION, name=stage.name or f"Prompted {base.name}",
        parts=parts_of(table.task, base, inputs.resolved),
        facts={"source": source_facts(dataset), **task_facts(table),
               "backbone": backbone_facts(base, parameters_of(base)), "stack": [], "parents": [],
               "max_seq_len": stage.max_seq_len},
        resolved=inputs.resolved, work=lambda work: _asked(stage, table, inputs, work),
    )  # fmt: skip


def parts_of(task: str, base: LocalBackbone, resolved: Resolved) -> dict[str, Any]:
    """What determines a run beside stage and data."""
    return {"task": task, "backbone": base.content_hash, "numerics": resolved.hashable()}


def must_be_asked(stage: Prompted, table: TaskTable) -> None:
    """Raises ConfigError: a text has no one label, a template is not of these texts, or a verbalizer of no label."""
    if table.form.several or not table.form.whole_text:
        raise ConfigError(
            f"a prompt asks for one label of a text, but a text of {table.task} may have several, or spans; choose a "
            f"task with one label for each text, or train on this one."
        )
    if any((PAIR in template) != table.of_pairs for template in stage.templates):
        whose = "of pairs of texts, so that each needs" if table.of_pairs else "of single texts, so that none may have"
        raise ConfigError(f"`templates` must suit {table.task}, which is asked {whose} {PAIR}; write them so.")
    wordings(stage, table)


def wordings(stage: Prompted, table: TaskTable) -> list[Wording]:
    """What is asked with each template, without examples. Raises ConfigError: a label is named that there is not."""
    unknown = stage.verbalizers.keys() - set(table.space.labels)
    if unknown:
        raise ConfigError(
            f"`verbalizers` must name labels of {table.task} ({', '.join(table.space.labels[:20])}), but names "
            f"{ascii(min(unknown))[:80]}; leave it out."
        )
    titles = zip(table.space.labels, table.space.titles, strict=True)
    words = tuple(stage.verbalizers.get(label, title) for label, title in titles)
    instruction = stage.instruction
    if instruction is None:
        instruction = f"{table.task.replace('_', ' ').capitalize()}: {', '.join(words)}?"
    templates = stage.templates or (DOUBLE if table.of_pairs else SINGLE,)
    return [Wording(instruction, template, words) for template in templates]


def _asked(stage: Prompted, table: TaskTable, inputs: Inputs, work: Work) -> Outcome:
    """Choose on the validation split, then score what is to be scored by the chosen prompt alone."""
    assembled = assemble(stage, inputs, bare_body(stage, inputs))
    model, tokenizer = cast(LanguageModel, assembled.reader), load_tokenizer(inputs.base)
    tried = []
    for wording, count in product(wordings(stage, table), stage.examples):
        shown = with_examples(wording, table, count, stage.seed, stage.example_tokens, tokenizer)
        plain = Questioner(Prompter(shown, tokenizer, stage.max_seq_len), model, inputs.resolved, stage.normalised)
        one = calibrated(plain, of_pairs=table.of_pairs) if stage.calibrated else plain
        asked, decided = _read(one, table, "validation")
        tried.append(Choice(wording.template, count, one, asked, decided, validated(table, decided)[0]))
    best = max(tried, key=lambda choice: choice.value)  # of equal ones the first
    read = {split: _read(best.questioner, table, split) for split in stage.read_splits(table) if split != "validation"}
    read = {"validation": (best.asked, best.decided), **read}
    outcome = _outcome(stage, table, read, work)
    outcome.total_parameters = assembled.parameters
    outcome.facts["prompt"] = _prompt(stage, best, tried)
    outcome.facts["texts"] = len(best.questioner.prompter.wording.examples)
    return outcome


def _read(one: Questioner, table: TaskTable, split: str) -> tuple[list[Asked], NDArray[np.float64]]:
    """The texts of a split within their prompts, and what is scored of them."""
    texts = table.texts
    asked = one.asked([texts[row] for row in table.rows(split).tolist()])
    return asked, table.form.decide(one.logits(asked))


def _outcome(
    stage: Prompted, table: TaskTable, read: dict[str, tuple[list[Asked], NDArray[np.float64]]], work: Work
) -> Outcome:
    """Write the predictions, and score them."""
    decided = {split: values for split, (_, values) in read.items()}
    write_predictions(work.folder, table, decided)
    begun = "test" in read and not table.of_pairs
    words = {"test": np.asarray([one.words for one in read["test"][0]], dtype=np.int32)} if begun else {}
    oracle = oracle_of(stage.data.source, table.task, table.recipe)
    scores = score(table, {split: decided[split] for split in stage.scored}, work.folder, words=words, oracle=oracle)
    cut = float(np.mean([one.cut for one in read[stage.scored[-1]][0]]))
    facts = {"truncated_fraction": cut, **recalibration(stage, table, decided)}
    return Outcome(scores, trainable_parameters=0, facts=facts)


def _prompt(stage: Prompted, best: Choice, tried: Sequence[Choice]) -> dict[str, Any]:
    """The entry `prompt` of run.json. Texts of examples are left out: they are drawn again from the prepared data."""
    wording = best.questioner.prompter.wording
    ways = [{"template": one.template, "examples": one.examples, "validation": one.value} for one in tried]
    return {
        "instruction": wording.instruction, "template": wording.template, "verbalizers": list(wording.verbalizers),
        "examples": best.examples, "normalised": stage.normalised, "calibrated": stage.calibrated, "tried": ways,
    }  # fmt: skip
