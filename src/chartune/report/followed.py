"""Followed: the numbers of a training as they may be shown while it goes on, and afterwards.

    Event ─▶ Released ─▶ Event as it may be shown, or None

Of real patients they stand over the share of the training, as the curves of a report do; a score on the validation
split is hidden, or rounded, by who stands behind it; what is in proportion to texts has one digit.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from chartune.disclosure import Behind, is_made_up, magnitude
from chartune.log import MACHINE, Event
from chartune.quantities import Estimate
from chartune.runs.record import RunRecord
from chartune.tasks.dataset import Dataset, gone

PLACES: Final = 24
"""Points of a training curve of real patients, however many steps there were; of fewer steps none is drawn, because its
corners would count them."""
PERCENT: Final = 100
RATE: Final = "tokens_per_second"
PEAK: Final = "peak_bytes"


@dataclass
class Released:
    """What may be shown of the events of one training, which come in order."""

    exact: bool
    """Whether all is shown as it is: the patients are fictional, or the analyst has asked for it."""
    behind: Behind | None = None
    """Who stands behind the scores on the validation split; None: not known, and none is shown."""
    texts: int | None = None
    """How many are learnt from; None: not known."""
    place: int = 0
    """The last place of the training curve that was shown, of `PLACES`."""

    def event(self, event: Event) -> Event | None:
        """An event as it may be shown; of real patients its step is the percentage of those planned. None: it may not.

        A value that is no finite number is no measurement.
        """
        if not math.isfinite(event.value) or not math.isfinite(event.time):
            return None
        if self.exact:
            return event
        value = self._value(event)
        share = min(1.0, max(0.0, event.step / event.planned)) if event.planned else 1.0
        if value is None:
            return None
        return replace(event, step=round(PERCENT * share), planned=PERCENT, tokens=0, value=value)

    def _value(self, event: Event) -> float | None:
        if event.split == MACHINE:
            return magnitude(event.value, False, self.texts) if event.name == RATE else event.value
        if event.split == "train":
            return event.value if self._next_place(event) else None
        if self.behind is None or self.behind.hides(event.name, Estimate(event.value)):
            return None
        return round(event.value, self.behind.precision(event.name))

    def _next_place(self, event: Event) -> bool:
        """Whether a training value is the first at a further place of its curve."""
        place = PLACES * event.step // event.planned if event.planned >= PLACES else 0
        further = place > self.place
        self.place = max(place, self.place)
        return further


def released_events(about: RunRecord, dataset: Dataset | None, *, exact: bool = False) -> Released:
    """What may be shown of the events of a run.

    Args:
        about: its record, which it has from its beginning.
        dataset: of its data; None: they are gone.
        exact: whether the analyst has asked for all.
    """
    if exact or is_made_up((dataset or gone(about.source)).source):
        return Released(exact=True)
    if about.form is None:
        return Released(False, Behind(scored=False), about.texts)
    task = dataset.tasks.get(about.task or "") if dataset else None
    counts = task.counts if task else {}
    known = counts.get("validation")
    texts = about.texts if about.texts is not None else counts.get("train", {}).get("admissions")
    return Released(False, about.form.behind({}, known) if known else None, texts)


def in_order(events: Iterable[Event]) -> list[Event]:
    """Events whose steps go on; those of runs that did not record how many were planned: up to the last one."""
    kept = [event for event in events if event.step >= 0]
    last = max((event.step for event in kept), default=0)
    return [event if event.planned else replace(event, planned=max(1, last)) for event in kept]
