"""The baseline of a fine-tuned run: TF-IDF on the words that its model reads, found in the store or fitted.

finetune, T tokens of base B ─▶ Tfidf(length={B, T}) on the same data and task ─▶ a run of its own
"""

from collections.abc import Iterator
from typing import Final

from chartune.batches.long_texts import First
from chartune.errors import ChartuneError
from chartune.log import say
from chartune.runs.ledger import finished_runs
from chartune.runs.run import Run
from chartune.stages.finetune import Finetune
from chartune.stages.model_length import ModelLength
from chartune.stages.term_weights import TermWeights
from chartune.stages.tfidf import Tfidf, tfidf
from chartune.store import Store

QUICK: Final = 2**20
"""Training texts times regressions up to which it is fitted unasked: a minute or two of one core at most."""


def baseline_of(run: Run, stage: Finetune, store: Store) -> Run | None:
    """TF-IDF on the same words, data and task as a fine-tuned run; None: it would take long, or cannot be fitted.

    A training that has ended is not stopped by it: why there is none is said.

    Args:
        run: finished.
        stage: its config.
        store: where both are.
    """
    if not isinstance(stage.long, First):
        say("note: TF-IDF on the same words is fitted where the first tokens of a text are read")
        return None
    if run.about.of_pairs or (run.form is not None and not run.form.whole_text):
        say("note: there is no TF-IDF beside this run, which reads pairs of texts or finds spans")
        return None
    known = next(_fitted(run, store), None)
    about, way = run.about, f"chartune finetune --method tfidf --set length.max_seq_len={stage.max_seq_len} …"
    if known is not None or about.form is None or about.texts is None:
        return known
    if about.texts * about.form.regressions(len(about.labels or ())) > QUICK:
        say(f"note: TF-IDF on the same words was not fitted unasked, because it would take long (`{way}`)")
        return None
    length = ModelLength(backbone=stage.backbone, max_seq_len=stage.max_seq_len)
    try:
        return tfidf(Tfidf(data=stage.data, task=run.task or "", length=length), store)
    except ChartuneError as error:
        say(f"note: there is no TF-IDF on the same words: {error}")
        return None


def _fitted(run: Run, store: Store) -> Iterator[Run]:
    """Finished TF-IDF runs that have read the same words, the last first; damaged ones are passed over."""
    for other in reversed(finished_runs(store)):
        try:
            about = other.about
            same = (about.kind, about.data, about.task, about.max_seq_len) == (
                "tfidf", run.data, run.task, run.about.max_seq_len,
            )  # fmt: skip
            if same and _limited_by(other) == (run.backbone and run.backbone.content_hash):
                yield other
        except ChartuneError:
            continue


def _limited_by(run: Run) -> str | None:
    """The content of the base model whose token limit has cut the texts of a TF-IDF run; None: none has."""
    limit = TermWeights.read_from(run).limit
    return limit.content_hash if limit else None
