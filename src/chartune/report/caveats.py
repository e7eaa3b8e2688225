"""What every reader of these numbers must know."""

from collections.abc import Mapping, Sequence
from typing import Final

from chartune.disclosure import EXPLAINED, is_made_up
from chartune.models.exposure import contaminates
from chartune.runs import START, Run
from chartune.runs.record import INACTIVE
from chartune.tasks.dataset import Dataset
from chartune.tasks.flow import unit

RETROSPECTIVE: Final = (
    "Retrospective text: the admission notes are assembled from sections of discharge summaries, which were written "
    "after the outcome was known. They tell what was known on arrival, but hindsight may have shaped the wording "
    "(van Aken et al., 2021, EACL). A prospective score may be lower."
)
AS_GIVEN: Final = (
    "Texts as given: when they were written, before or after the answer was known, only their owner knows."
)
STARTED: Final = (
    f'"kept: {START}" stands where training brought no improvement on the validation split: such a row measures the '
    "probe, a regression on what the base model and its frozen layers give, and not the adapter or head that was to "
    "be trained."
)

NEVER_ACTIVE: Final = (
    '"inactive" stands where an adapter is not in the forward pass, as the downstream adapter in the public code of '
    "Gema et al. (`active: false`): it learns nothing and changes no score. Such a row measures the layers below it "
    "and the head."
)


def caveats(runs: Sequence[Run], datasets: Mapping[str, Dataset], comparisons: int) -> list[str]:
    """The caveats of a page.

    Args:
        runs: all runs on it.
        datasets: fingerprint → `dataset.json`.
        comparisons: how many paired comparisons were made.
    """
    sources = [dataset.source for dataset in datasets.values()]
    asked = {run.task for run in runs}
    kinds = {task.kind for d in datasets.values() for name, task in d.tasks.items() if name in asked}
    notes = ["Research only. Nothing here supports a decision about a patient."]
    if any(is_made_up(source) for source in sources):
        notes.append(
            "The patients are fictional and were written by a program. Scores tell how the methods behave on such "
            "texts and say nothing about any hospital."
        )
    notes += [RETROSPECTIVE] if "retrospective-text" in kinds else []
    notes += [AS_GIVEN] if "as-given" in kinds else []
    notes += _circular(runs, datasets)
    notes += [STARTED] if any(run.kept_start for run in runs) else []
    notes += [NEVER_ACTIVE] if any(layer.state == INACTIVE for run in runs for layer in run.stack) else []
    notes += _on_intervals(runs, comparisons)
    row = "a row" if sources and all(unit(source) == "rows" for source in sources) else "an admission"
    notes += dict.fromkeys(caveat for run in runs if run.form and (caveat := run.form.caveat(row)))
    if not all(is_made_up(source) for source in sources):
        notes.append(EXPLAINED)
    return notes


def _circular(runs: Sequence[Run], datasets: Mapping[str, Dataset]) -> list[str]:
    """Which base models may have read the held-out texts before: scores of theirs prove less."""
    names = sorted({run.backbone.name or "" for run in runs if run.backbone and _has_read(run, datasets)})
    if not names:
        return []
    return [
        f"Circular: {', '.join(names)} had read notes of the hospital that these data are from, held-out ones maybe "
        "among them. Scores on such a base are compared with each other, and not with those of a base that has not."
    ]


def _has_read(run: Run, datasets: Mapping[str, Dataset]) -> bool:
    saw, data = run.backbone and run.backbone.saw, datasets.get(run.data or "")
    return bool(data and saw and contaminates(saw, data.source.kind, is_made_up(data.source)))


def _on_intervals(runs: Sequence[Run], comparisons: int) -> list[str]:
    if not any(run.form and run.estimate(run.headline.metric) for run in runs):
        return []
    seeds = sorted({run.about.seed for run in runs if run.about.seed is not None})
    numbers = ", ".join(map(str, seeds))
    trained = {
        0: "each run was trained once, with one seed",
        1: f"each run was trained once, with seed {numbers}",
    }.get(len(seeds), f"for that several seeds are needed, and here they are {numbers}")
    notes = [
        "Intervals are 95 % percentile intervals of a bootstrap that resamples patients, not rows. They cover the luck "
        f"of who is in the test split, not the luck of training: {trained}."
    ]
    if comparisons:
        notes.append(
            f"{comparisons} paired comparisons were made, and their intervals are not corrected for the number "
            "of them: among twenty between equals, one is expected to exclude zero by chance. The p beside each is "
            "corrected, for the comparisons of its table."
        )
    return notes
