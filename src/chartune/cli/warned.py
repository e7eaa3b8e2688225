"""Warnings about prepared data, the same in every verb that prepares: before a long training, not after.

rows that are missing or damaged · a positive class chosen by default · splits too small to score
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chartune.log import say
from chartune.store import Artefact, Store
from chartune.tasks.dataset import Dataset
from chartune.tasks.flow import notices, warnings
from chartune.tasks.positive import unchosen

if TYPE_CHECKING:
    from chartune.tasks.prepare import AnyPreparation

_THIN: Final = (
    "fewer than 10 are too few to learn from or to score: prepare more patients, or split them otherwise (--set {}…)."
)


def raw_and_asked(dataset: Dataset, exact: bool = False) -> list[str]:
    """Of the raw tables, counts as they may be shown, and of positive classes chosen by default."""
    return [*warnings(dataset.source, exact), *unchosen(dataset.tasks)]


def thin(artefact: Artefact, dataset: Dataset, field: str = "splits.") -> list[str]:
    """Of splits with too few examples, and what can be done; `field`: where the verb takes splits."""
    from chartune.tasks.thin_splits import thin_splits

    lines = thin_splits(artefact, dataset)
    return [*lines, *([_THIN.format(field)] if lines else [])]


def say_warnings(preparation: "AnyPreparation", store: Store, task: str | None) -> list[str]:
    """Prepare the data of a stage, or find them, and say what `prepare` would warn of.

    Args:
        preparation: the data of the stage.
        store: where they are kept.
        task: what the stage asks; None: nothing, it reads the corpus.

    Returns:
        What was said.

    Raises:
        ChartuneError: as `chartune.tasks.prepare.prepare` and `task_named`.
    """
    from chartune.tasks.dataset import read_dataset
    from chartune.tasks.prepare import prepare, task_named
    from chartune.tasks.prepared import SHELF

    before = {each.fingerprint for each in store.artefacts(SHELF)}
    artefact = prepare(preparation, store)
    whole = read_dataset(artefact)
    asked = None if task is None else task_named(whole.tasks, task)
    only = whole.only([asked]) if asked is not None else whole.only([]).but(corpus=whole.corpus)
    messages = [*raw_and_asked(only), *thin(artefact, only, "data.splits.")]
    _say_notices(notices(only.source), artefact.fingerprint, found=artefact.fingerprint in before)
    for warning in messages:
        say(f"warning: {warning}")
    return messages


def _say_notices(sentences: Sequence[str], data: str, *, found: bool) -> None:
    """All of them where data have just been prepared; of data that are found how many there are, and where."""
    if found and sentences:
        say(f"data: {data}, prepared before; what was noted then ({len(sentences)}): chartune datasets {data[:8]}")
        return
    for sentence in sentences:
        say(f"note: {sentence}")
