"""Which run or export is to score. Knows no tensors, so that an input is read before a library of models is loaded.

RUN ─▶ Chosen: task, preparation, line breaks ─scorer─▶ Scorer, with its model
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chartune.prediction.scorer import Scorer
from chartune.prediction.texts import EXACT, AsRead
from chartune.runs.ledger import run_at
from chartune.runs.run import Run
from chartune.stages.export_record import Export, is_export, read_export
from chartune.store import Store


@dataclass(frozen=True)
class Chosen:
    """What is to score: a finished run, or an exported model."""

    learnt: Run | Export

    @property
    def run(self) -> Run | None:
        """The run; None: it is an export."""
        return self.learnt if isinstance(self.learnt, Run) else None

    @property
    def trained_on(self) -> dict[str, Any]:
        """The preparation of the run's data, as plain data; an export keeps what became of line breaks alone.

        Where spans are asked for, texts are read to the character: offsets are those of the text as it is given.
        """
        if isinstance(self.learnt, Export):
            return {"line_breaks": self.learnt.about.line_breaks}
        data = self.learnt.stage.get("data") or {}
        return {**data, "line_breaks": EXACT} if self.of_spans else data

    @property
    def of_spans(self) -> bool:
        """Whether it predicts spans; an export never does."""
        form = None if isinstance(self.learnt, Export) else self.learnt.form
        return form is not None and not form.whole_text

    @property
    def of_pairs(self) -> bool:
        """Whether it reads pairs of texts; an export never does."""
        return isinstance(self.learnt, Run) and bool(self.learnt.about.of_pairs)

    @property
    def candidates(self) -> dict[str, Any] | None:
        """Which pairs of entities it is asked about; None: it predicts no relations, or is an export."""
        return self.learnt.about.candidates if isinstance(self.learnt, Run) else None

    @property
    def breaks(self) -> AsRead:
        """What became of line breaks that were written out in the texts that it was trained on."""
        made: AsRead = self.trained_on.get("line_breaks", "repaired")
        return made

    @property
    def task(self) -> str:
        """What it was asked."""
        return (self.learnt.task if isinstance(self.learnt, Run) else self.learnt.about.task) or ""

    @property
    def fingerprint(self) -> str:
        """Of the run, or of that which was exported."""
        return self.learnt.fingerprint if isinstance(self.learnt, Run) else self.learnt.about.run

    def scorer(self, store: Store, base: str | None = None) -> Scorer:
        """It, ready to score; `base`: where its base model is now. Raises as `load` and `load_export`."""
        from chartune.models.backbone import Backbone
        from chartune.stages.exported import load_export
        from chartune.stages.loading import load

        backbone = Backbone(name=base) if base else None
        if isinstance(self.learnt, Export):
            return load_export(self.learnt, store, backbone)
        return load(self.learnt, store, backbone)


def chosen_at(store: Store, reference: str) -> Chosen:
    """The exported model that a folder holds, or the run that a reference stands for. Raises as `run_at`."""
    folder = Path(reference)
    return Chosen(read_export(folder) if is_export(folder) else run_at(store, reference))
