"""The tables of a report on real patients, read by an attacker, pin no small count: its operating points."""

import numpy as np
import pytest

from chartune.disclosure import shown
from chartune.report.operating import RULES
from chartune.report.render import report_of
from chartune.runs import Run
from chartune.store import Store
from chartune.testing import past_runs as past
from chartune.testing.attacked_tables import CELLS, Row, read_operating, tables
from chartune.testing.attacker import Attacker, Name


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return past.past_runs(tmp_path_factory.mktemp("attacked"), "mimic3")


@pytest.fixture(scope="module")
def rows(store: Store, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    page = report_of(store, None, tmp_path_factory.mktemp("page") / "r.html", "Real").read_text()
    return tables(page)["In-hospital mortality: operating points on the test split"]


def _truth(store: Store) -> dict[Name, int]:
    """The four cells of each point, as rows."""
    variants = {
        "1 · TF-IDF + logistic regression": past.TFIDF, "2 · Head only on small-llama": past.HEAD,
        "4 · Clinical (frozen) + downstream LoRA": past.CLINICAL, "5 · LoRA on MiniLM": past.MINILM,
    }  # fmt: skip
    truth: dict[Name, int] = {}
    for name, fingerprint in variants.items():
        run = Run.of(store, fingerprint)
        watched, tested = run.predictions("validation"), run.predictions("test")
        ill = tested["label"].to_numpy() == 1
        for rule, choose in RULES:
            flagged = tested["probability"].to_numpy() >= choose(
                watched["label"].to_numpy(), watched["probability"].to_numpy()
            )
            counts = (ill & flagged, ~ill & flagged, ill & ~flagged, ~ill & ~flagged)
            truth |= {("cell", name, rule, c): int(np.sum(n)) for c, n in zip(CELLS, counts, strict=True)}
    return truth


def test_operating_points_pin_no_small_cell_and_no_small_difference_of_two(store: Store, rows: list[Row]) -> None:
    attacker, truth = Attacker(), _truth(store)
    positives, negatives = (int(_mortality(store).count(label)) for label in (1, 0))
    printed = (shown(positives, exact=False), shown(negatives, exact=False))
    assert read_operating(attacker, rows, "mortality", printed) >= 8
    known = {name[1:3] for terms, _, _ in attacker.constraints for _, name in terms if name[0] == "cell"}
    small = {name for name, n in truth.items() if 1 <= n <= 9}
    assert small
    assert not {name[1:3] for name in small} & known  # a point with a small cell is not shown
    read = {name: n for name, n in truth.items() if name[1:3] in known}
    gaps: dict[Name, int] = {
        ("gap", *a[1:], b[2]): read[a] - read[b] for a in read for b in read if (a[1], a[3]) == (b[1], b[3])
    }
    assert any(1 <= gap <= 9 for gap in gaps.values())
    assert attacker.pinned({**read, **gaps}) == {}


def _mortality(store: Store) -> list[int]:
    return Run.of(store, past.TFIDF).predictions("test")["label"].to_list()
