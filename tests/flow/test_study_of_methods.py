"""A study of methods from its file to its report: curves over examples, minutes, rank and rate, and paired methods."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
import yaml

from chartune.models.backbone import LocalBackbone
from chartune.testing.command_line import chartune


@pytest.fixture(autouse=True)
def unplanned() -> Iterator[None]:
    """Without plans of single runs: they take longer than these runs."""
    with patch("chartune.runner._planned", lambda *_: {}):
        yield


def stages() -> dict[str, Any]:
    lora, ia3 = ({"layers": [{"kind": "fresh", "method": method}]}
                 for method in ({"kind": "lora", "rank": 2}, {"kind": "ia3"}))  # fmt: skip
    rank = "stack.layers.0.method.rank"
    return {
        "lora": {"kind": "finetune", "stack": lora, "grid": {"per_class": [2, 4]}},
        "timed": {"kind": "finetune", "stack": lora, "grid": {"optimisation.most_seconds": [600, 1200]}},
        "ranked": {"kind": "finetune", "stack": lora, "grid": {rank: [1, 4]}},
        "rated": {"kind": "finetune", "stack": ia3, "grid": {"optimisation.learning_rate": [0.001, 0.01]}},
    }


def test_the_report_of_a_study_of_methods_has_every_curve_and_each_number_its_run(
    tmp_path: Path, llama: LocalBackbone
) -> None:
    words = [(f"{n} fever" if n % 3 else f"{n} fall", f"P{n}", "worse" if n % 2 else "better") for n in range(280)]
    pl.DataFrame(words, schema=["text", "subject_id", "label"], orient="row").write_csv(tmp_path / "notes.csv")
    model = {
        "backbone": {"name": str(llama.folder)}, "max_seq_len": 8,
        "numerics": {"precision": "fp32", "attention": "eager"},
        "optimisation": {"duration": {"value": 1, "unit": "steps"}},
    }  # fmt: skip
    study = {
        "title": "Methods", "data": {"source": {"kind": "tabular", "file": str(tmp_path / "notes.csv")}},
        "stages": stages(), "shared": {"finetune": model}, "test": "all",
    }  # fmt: skip
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    out, store = tmp_path / "report.html", tmp_path / "store"
    assert chartune("study", tmp_path / "study.yaml", "--out", out, "--store", store).code == 0
    page = out.read_text()
    part = page[page.index('<section id="methods">') :]
    part = part[: part.index("</section>")]
    headings = re.findall(r"<h3>[^:<]*: (.*?)</h3>", part)
    assert headings == ["few-shot curves", "training-time budgets", "sensitivity to the rank", "learning rates"]
    assert "method against method" in part
    assert part.count("<svg viewBox") == 4
    links = set(re.findall(r'href="#(run-\w+)"', part))
    assert len(links) == 8
    assert all(f'id="{link}"' in page for link in links)
