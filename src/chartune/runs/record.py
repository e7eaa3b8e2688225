"""RunRecord: what was done, as `run.json` records it: on which data, base and layers, with which seed, when.

A field that is None was not measured, not asked, or not yet written down by the version that made the run.
"""

from collections.abc import Sequence
from typing import Any, Final

from chartune.answers import BINARY, MASKED_PERPLEXITY, PERPLEXITY, Answer, Metric, answer_of
from chartune.metrics.recalibrators import Calibration
from chartune.record import Record

RUN: Final = "run.json"
ADAPTER: Final = "adapter"
"""Folder of a run's one layer, or of a folder for each of several."""
INACTIVE: Final = "inactive"
HEAD_FILE: Final = "head.safetensors"
_TITLES: Final = {"lora": "LoRA", "full": "full tuning"}
_SIZES: Final = {"rank": "r", "tokens": "tokens"}


class Layer(Record):
    """One layer of the stack that a run trained or scored, base model side first."""

    state: str
    """`merged`, `frozen`, `trainable`, `fresh`, or `inactive`: it is not in the forward pass."""
    method: dict[str, Any] | None = None
    """Its method in full: kind, rank, alpha, dropout, targets, …"""
    titled: str | None = None
    """Its method in few words, as the method itself has it; None: written before methods did."""
    run: str | None = None
    """Fingerprint of the run that made it; None: made from nothing, or foreign."""
    sha256: str | None = None
    """Hash of the weights it started from."""
    base: str | None = None
    """The base model that the config of a foreign adapter names."""
    shuffled: int | None = None
    """The seed by which its blocks have changed places; None: they have not."""

    @property
    def kind(self) -> str:
        """Of its method."""
        return str((self.method or {}).get("kind") or "unknown method")

    @property
    def title(self) -> str:
        """Its method in few words, its name and the number that sizes it: `LoRA r=8`."""
        kind, method = self.kind.replace("_", "-"), self.method or {}
        if self.titled and kind not in _TITLES:
            return self.titled
        size = next((f" {sign}={method[key]}" for key, sign in _SIZES.items() if method.get(key) is not None), "")
        return f"{_TITLES.get(kind, kind)}{size}"

    @property
    def foreign(self) -> str:
        """`made on X by stock peft` of an adapter that no run of chartune made; empty: not foreign, or not recorded."""
        return f"made on {self.base} by stock peft" if self.base and not self.run else ""

    def __str__(self) -> str:
        origin = f" from {self.run[:8]}" if self.run else ""
        moved = "" if self.shuffled is None else f", shuffled (seed {self.shuffled})"
        return f"{self.state} {self.title}{origin}{moved}"


def layer_folders(states: Sequence[str]) -> list[str]:
    """Where the layers of a stack lie in the folder of a run, first to last: `adapter`, or `adapter/0-frozen`, ….

    Args:
        states: `merged`, `frozen`, `trainable`, `fresh` or `inactive`, of each layer; of the last nothing is kept.
    """
    kept = [(index, state) for index, state in enumerate(states) if state != INACTIVE]
    return [ADAPTER] * len(kept) if len(states) == 1 else [f"{ADAPTER}/{index}-{state}" for index, state in kept]


class BaseModel(Record):
    """The base model of a run."""

    name: str | None = None
    family: str | None = None
    parameters: int | None = None
    content_hash: str | None = None
    """SHA-256 over config, weights and tokenizer."""
    licence: str | None = None
    exposure: str | None = None
    """What clinical text it may have read before."""
    saw: str | None = None
    """The kind of text among it that matters most, as `chartune.models.exposure` has it; None: an older run."""
    semantic_types: int | None = None
    """Tokens that were read with the embedding of a semantic type (UmlsBERT); None: the base has no such embeddings."""
    padding: str | None = None
    """The token that filled short rows in place of a padding token; None: the tokenizer has its own, or none padded."""


class NamedSource(Record):
    """Where the data come from, as far as a run records it."""

    kind: str = ""
    version: str = ""
    title: str = ""


class Drift(Record):
    """How texts or labels of other data differ from those of the run's own test split."""

    what: str
    share: bool
    """Whether it is a share of texts, rows or words; else a number of each text."""
    own: float | None = None
    """On the test split of the run's own data; None: not measured."""
    here: float | None = None


class External(Record):
    """A finished run, scored on other data than it was made from."""

    run: str
    """Its fingerprint."""
    name: str
    rows: int
    """Rows that were scored."""
    own_rows: int | None = None
    """Rows of the run's own test split; None: its data are gone."""
    rows_left_out: int = 0
    """Rows whose class the run does not know, or whose patient it has learnt from."""
    labels_shared: int
    labels_missing: int
    """Labels of the run that the data lack."""
    labels_unknown: int
    """Labels of the data that the run does not know."""
    drift: tuple[Drift, ...] = ()


class Member(Record):
    """A run of an ensemble."""

    run: str
    """Its fingerprint."""
    name: str
    weight: float
    """Its share of the log-odds."""


class RunRecord(Record):
    """What was done."""

    kind: str
    """`pretrain`, `finetune`, `tfidf`, `structured`, `prior`, `ensemble`, `prompted` or `evaluate`."""
    name: str | None = None
    """What a person called it when it was made."""
    data: str | None = None
    """Fingerprint of the prepared data."""
    source: NamedSource | None = None
    task: str | None = None
    """The task it answers; None: it read unlabelled text."""
    answer: str | None = None
    """Kind of the form of its answers."""
    positive: str | None = None
    """The positive class of a binary task."""
    classes: tuple[str, ...] | None = None
    """Both classes of a binary task, the positive one last."""
    labels: tuple[str, ...] | None = None
    """Names of all answers, in the order of the logits."""
    titles: tuple[str, ...] | None = None
    """What people call them."""
    reads: dict[str, Any] | None = None
    """The recipe of what is read of a chart, as plain data; None: the texts of a table as they are."""
    candidates: dict[str, Any] | None = None
    """Of relations: which pairs of entities it is asked about (`tasks.annotated.relations.Candidates`)."""
    of_pairs: bool | None = None
    """Whether it reads pairs of texts; None: single texts."""
    calibration: Calibration | None = None
    """None: nothing was fitted, or cannot be."""
    uncalibrated: str | None = None
    """Why probabilities stay raw; None: they do not, or the run was made before this was kept."""
    versions: dict[str, str] | None = None
    """Of the packages that the numbers depend on."""
    backbone: BaseModel | None = None
    """None: there is no base model."""
    stack: tuple[Layer, ...] | None = None
    parents: tuple[str, ...] = ()
    """Fingerprints of the runs whose adapters it started from, or whose predictions it averages."""
    max_seq_len: int | None = None
    """Tokens that were read of a text, or of a block."""
    truncated_fraction: float | None = None
    """Share of the test texts that were cut; where the test split was not scored, of the validation texts."""
    long: dict[str, Any] | None = None
    """What was read of a text with more tokens (`chartune.batches.long_texts`); None: the first ones."""
    notes: str | None = None
    """How notes became blocks: `packed` or `first-tokens`."""
    masking: dict[str, Any] | None = None
    """Of pretraining an encoder: which tokens it guessed; None: the next token was predicted."""
    text: str | None = None
    """Of pretraining: `general`, where it learnt from general text as a placebo; None: from notes."""
    pooling: str | None = None
    words: dict[str, dict[str, int]] | None = None
    """Of a task that asks for spans: by split, how many words and annotated spans there are, and how many of them are
    not read or cannot be said (`chartune.batches.words.WordExamples.counts`)."""
    bidirectional: bool | None = None
    """Whether the tokens of a decoder saw those behind them; None: as it was pretrained."""
    stopped_early: bool | None = None
    best_step: int | None = None
    """The step whose weights were kept; 0: the initial weights."""
    micro_batch_tokens: int | None = None
    """Padded tokens that went through the model at once in training, at its end; None: written before this was kept."""
    strength: float | None = None
    """Inverse penalty of regressions (TF-IDF, structured data), or number of trees, chosen on the validation split."""
    members: tuple[Member, ...] = ()
    """Of an ensemble: its runs, with the weights that were chosen on the validation split."""
    texts: int | None = None
    """How many texts it has learnt from; None: written before this was kept."""
    contributions: tuple[float | None, ...] | None = None
    """Of each layer of the stack, by how much the logits of eight training texts change in the mean where it is
    switched off; None within: it is merged, inactive, or cannot be taken out. None: not measured."""
    prompt: dict[str, Any] | None = None
    """Of a prompted run: the prompt that was chosen on the validation split, and all that were tried."""
    seed: int | None = None
    started: str | None = None
    finished: str | None = None
    """UTC, ISO 8601."""
    resumed: int | None = None
    """How often it was taken up again."""
    trained_in: str | None = None
    """The run whose weights these are, where the test split was scored later than they were trained; None: its own."""
    claims: tuple[str, ...] = ()
    """Hashes of the claims that were locked in the store before the test split was scored."""
    external: External | None = None
    """Of `evaluate`: what was scored, on what; None: another kind."""
    planned: dict[str, float | None] | None = None
    """What was expected: seconds, peak_bytes, trainable_parameters, and micro_batch_tokens where memory allows fewer
    than the rule would take; None: not planned."""

    @property
    def form(self) -> Answer | None:
        """The form of its answers; runs that do not say were all of one outcome. None: it read unlabelled text.

        Raises:
            DataError: this version does not know it.
        """
        return None if self.task is None else answer_of(self.answer or BINARY.kind)

    @property
    def headline(self) -> Metric:
        """The primary metric. Raises DataError: as of `form`."""
        unlabelled = MASKED_PERPLEXITY if self.masking else PERPLEXITY
        return self.form.headline if self.form else unlabelled

    @property
    def outcome(self) -> str:
        """Which class is asked about, of both: `died (of died, survived)`; empty: it is no yes-or-no task."""
        return self.form.outcome(self.classes or ()) if self.form else ""

    @property
    def tokens_read(self) -> str:
        """Which tokens of a text were read, in words; empty: there is no limit."""
        if self.max_seq_len is None:
            return ""
        match (self.long or {}).get("kind"):
            case "windows":
                return f"up to {(self.long or {})['most']} windows of {self.max_seq_len:,} tokens"
            case "head-tail":
                return f"first and last tokens, {self.max_seq_len:,} in all"
            case "sections-first":
                return f"the most useful sections first, {self.max_seq_len:,} tokens in all"
        return f"first {self.max_seq_len:,} tokens"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers on the base model, first to last."""
        return self.stack or ()

    @property
    def stack_title(self) -> str | None:
        """The stack in words: `frozen LoRA r=8 from 1a2b3c4d + fresh LoRA r=8`; None: there is no base model."""
        if self.prompt is not None:
            return f"prompted, {self.prompt['examples'] or 'no'} examples"
        return " + ".join(map(str, self.layers)) or ("head only" if self.backbone else None)

    @property
    def kept_start(self) -> bool:
        """Whether the weights are those of step 0: the probe, and new layers as drawn."""
        return self.best_step == 0
