"""What a run records of its efficiency beside its cost: `efficiency.json`. None is "not measured", never zero."""

from typing import Final

from chartune.artefact import Artefact
from chartune.record import Record, read_record

EFFICIENCY: Final = "efficiency.json"


class Efficiency(Record):
    """Measured while a run was made, on the device that its cost names; what comes by a formula says so."""

    best_seconds: float | None = None
    """Wall time from the first step to the end of the evaluation whose weights were kept, evaluations included."""
    best_tokens: int | None = None
    """Training tokens up to then, padding excluded."""
    flops: float | None = None
    """Floating-point operations of all training, by formula (`chartune.models.flops`); evaluations are not in it."""
    best_flops: float | None = None
    """Those up to the weights that were kept."""
    epoch_seconds: float | None = None
    """Time in training steps for each training text once. Of a head alone with reading all texts, which a run does once
    and keeps."""
    base_bytes: int | None = None
    """Of the weights of the base model, as they lie on disk."""
    adding_seconds: float | None = None
    """To read from disk, checked, what a deployed base model needs for this task besides: layers and head, or the whole
    model where every weight has learnt."""
    reading_seconds: float | None = None
    """To read a sample of validation texts in batches, from tokens to logits, as predictions are made."""
    reading_texts: int | None = None
    """How many those were."""
    reading_tokens: int | None = None
    """Their tokens, padding excluded."""
    reading_peak_bytes: int | None = None
    """Largest resident memory of the process meanwhile, or allocated memory of the GPU."""
    latency_seconds: float | None = None
    """Median time of one text by itself, from tokens to logits, with layers merged into the matrices."""
    latency_unmerged_seconds: float | None = None
    """The same with layers beside the matrices, as they are trained."""
    joules: float | None = None
    """Energy of the whole stage, by counters; of a stage that was resumed it is not known."""
    counters: tuple[str, ...] = ()
    """Which those were, such as `RAPL package-0`; none: nothing was measured."""

    @property
    def texts_per_second(self) -> float | None:
        """How fast texts are read."""
        if not self.reading_seconds or self.reading_texts is None:
            return None
        return self.reading_texts / self.reading_seconds


def efficiency_of(artefact: Artefact) -> Efficiency:
    """What a run records; of older runs, and of those without a model, nothing. Raises StoreError: it is damaged."""
    return read_record(artefact, EFFICIENCY, Efficiency) if artefact.holds(EFFICIENCY) else Efficiency()
