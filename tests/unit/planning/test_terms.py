"""What TF-IDF would take: proportional to texts, labels and penalties, on as many processes as would work."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.planning.requirements import SETUP_SECONDS
from chartune.planning.terms import FITTING, SCORING, seconds_of_terms
from chartune.stages.tfidf import Tfidf
from chartune.store import Store
from chartune.tasks.prepare import prepare, read_task

LABELS = ("fall", "fever", "pain")
ROWS = 60


@pytest.mark.parametrize("regressions", [1, len(LABELS)])
def test_every_label_and_penalty_is_planned_and_processes_share_several_labels_alone(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, regressions: int
) -> None:
    labels = [("yes", "no")[n % 2] if regressions == 1 else ";".join(LABELS[: n % 4]) for n in range(ROWS)]
    texts = [f"pain and fall {n} " * 9 for n in range(ROWS)]
    pl.DataFrame({"subject_id": range(ROWS), "text": texts, "label": labels}).write_csv(tmp_path / "notes.csv")
    source = {"kind": "tabular", "file": str(tmp_path / "notes.csv"), "separator": ";" if regressions > 1 else None}
    asked: dict[str, Any] = {"data": {"source": source}}
    stages = [Tfidf.parse({**asked, "strengths": strengths}) for strengths in ([1.0], [1.0, 10.0, 100.0])]
    assert seconds_of_terms(stages[0], store) is None
    rows = read_task(prepare(stages[0].data, store), "labels")
    size = int(rows.filter(split="train")["text"].str.len_bytes().sum())
    scoring = SCORING * rows.filter(pl.col("split") != "train").height * max(2, regressions)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setattr("chartune.planning.terms.is_made_up", lambda source: True)  # else by classes of texts
    for stage, fits in zip(stages, (1, 4), strict=True):
        fitting = FITTING * fits * regressions * size
        assert seconds_of_terms(stage, store) == pytest.approx(SETUP_SECONDS + fitting + scoring, abs=1e-9)
    monkeypatch.setattr("chartune.stages.regressions.SOME", 1)
    shared = FITTING * regressions * size / (1 if regressions == 1 else 2)
    assert seconds_of_terms(stages[0], store) == pytest.approx(SETUP_SECONDS + shared + scoring, abs=1e-9)
