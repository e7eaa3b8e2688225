"""The page and what it needs: its files and headers, a task in full, and what of other patients may be shown."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pytest

from chartune.answers import ANY_OF, BINARY, ONE_OF, Answer
from chartune.metrics.recalibrators import Calibration
from chartune.prediction.outputs import Origin, Outputs, outputs_of
from chartune.runs.run import Run
from chartune.serving import reference as module
from chartune.serving.asked import Limits
from chartune.serving.audit import AuditLog
from chartune.serving.bank import Bank
from chartune.serving.bank_file import bank_of, named_runs
from chartune.serving.keys import Keys, new_key
from chartune.serving.page import HEADERS, PATHS
from chartune.serving.queue import Queue
from chartune.serving.reference import reference
from chartune.serving.service import service
from chartune.testing.asked import ask
from chartune.testing.served_runs import Served

FOLDER: Final = files("chartune.serving") / "page_files"


@pytest.fixture(scope="module")
def bank(served: Served) -> Bank:
    return bank_of(named_runs(["lora", "rslora"], served.store), served.store)


@pytest.fixture(scope="module")
def app(bank: Bank) -> Iterator[Any]:
    queue = Queue(bank, 10_000)
    yield service(bank, Limits(), queue)
    queue.close()


def test_its_files_come_with_headers_that_lock_the_browser_down(app: Any) -> None:
    for path in PATHS:
        said = ask(app, "GET", path)
        assert said.status == 200
        assert {name: said.headers[name.lower()] for name in HEADERS} == HEADERS
        assert ask(app, "POST", path, {}).status == 405
    policy = dict(rule.split(" ", 1) for rule in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    assert (HEADERS["Referrer-Policy"], HEADERS["Cache-Control"]) == ("no-referrer", "no-store")
    assert [ask(app, "GET", path).headers["content-type"].split(";")[0] for path in ("/", "/page.css", "/page.js")] == [
        "text/html", "text/css", "text/javascript",
    ]  # fmt: skip


def test_its_files_hold_no_address_no_inline_code_and_no_way_to_make_markup_or_to_keep_anything() -> None:
    html, css, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js"))
    assert re.findall(r"(?:src|href)=\"([^#\"]+)\"", html) == ["data:,", "page.css", "page.js"]
    assert not re.search(r"\bon\w+=|style=|<style|<script>|javascript:", html)
    assert "url(" not in css
    assert "@import" not in css
    assert re.findall(r"https?://[^\"]+", script) == ["http://www.w3.org/2000/svg"]  # a name, which nothing fetches
    forbidden = (
        "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "DOMParser", "srcdoc",
        "localStorage", "sessionStorage", "indexedDB", "cookie", "caches", "serviceWorker", "sendBeacon", "WebSocket",
    )  # fmt: skip
    assert [word for word in forbidden if word in script] == []
    assert 'lang="en"' in html
    assert html.count('autocomplete="off"') == 3  # the form, the note, the key
    assert "<noscript>" in html


def test_a_task_says_what_it_is(app: Any, bank: Bank) -> None:
    said = ask(app, "GET", "/v1/tasks/lora")
    assert said.status == 200, said.text
    assert said.body["about"] in ask(app, "GET", "/v1/tasks").body["tasks"]
    assert said.body["fictional"] is False
    assert next(iter(said.body["measures"])) == "auroc"
    assert said.body["reference"] == {"missing": "too few to show"}  # a dozen rows of what could be real patients
    assert said.body["scores"]["validation"] == "too few to show"
    assert said.body["threshold"] is None
    assert "Base model" in {section["title"] for section in said.body["card"]}
    assert ask(app, "GET", "/v1/tasks/lora").text == said.text
    assert ask(app, "GET", "/v1/tasks/none").status == 404


def test_a_key_sees_the_page_and_its_own_tasks_alone_and_its_files_fill_no_log(bank: Bank, tmp_path: Path) -> None:
    own = new_key(tmp_path / "keys.yaml", "own", ["lora"], [])
    log = AuditLog(tmp_path / "audit.jsonl")
    app = service(bank, Limits(), Queue(bank, 1000), Keys(tmp_path / "keys.yaml"), log)
    key = {"Authorization": f"Bearer {own}"}
    assert [ask(app, "GET", path).status for path in sorted(PATHS)] == [200] * 3
    assert (tmp_path / "audit.jsonl").read_text() == ""
    assert ask(app, "GET", "/v1/tasks/lora").status == 401
    assert ask(app, "GET", "/v1/tasks/lora", headers=key).status == 200
    other, none = (ask(app, "GET", f"/v1/tasks/{name}", headers=key) for name in ("rslora", "zebrafinch"))
    assert (other.status, other.text) == (404, none.text)
    assert ask(app, "POST", "/v1/explain", {"text": "a fall", "task": "lora"}, headers=key).status == 403
    may = {"Authorization": f"Bearer {new_key(tmp_path / 'keys.yaml', 'may', ['lora'], ['explain'])}"}
    asked = {name: ask(app, "POST", "/v1/explain", {"text": "a fall", "task": name}, headers=may)
             for name in ("lora", "rslora", "zebrafinch")}  # fmt: skip
    assert [said.status for said in asked.values()] == [200, 404, 404]
    assert asked["rslora"].text == asked["zebrafinch"].text
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(line["key"], line["route"], list(line["tasks"]), line["notes"]) for line in lines if line["tasks"]] == [
        ("may", "/v1/explain", ["lora"], 1)
    ]
    log.close()


def predicted(rows: int, form: Answer, patients: int | None = None) -> pl.DataFrame:
    chance = np.random.default_rng(0)
    labels = np.arange(rows) % 2 if form is not ANY_OF else [[n % 2] for n in range(rows)]
    scored: dict[str, Any] = (
        {"logit": chance.normal(0, 1.5, rows)}
        if form is BINARY
        else {"logits": chance.normal(0, 1.5, (rows, 2)).tolist()}
    )
    people = np.arange(rows) % (patients or rows)
    return pl.DataFrame({"split": "test", "subject_id": people, "hadm_id": range(rows), "label": labels, **scored})


class Kept:
    """A run, as far as a reference asks it."""

    def __init__(self, rows: pl.DataFrame, form: Answer, monkeypatch: pytest.MonkeyPatch, exact: bool) -> None:
        self.rows, self.form, self.final, self.task = rows, form, True, "a task"
        self.scores: dict[str, dict[str, Any]] = {"test": {}}
        monkeypatch.setattr(module, "is_exact", lambda *_, **__: exact)

    def has_predictions(self) -> bool:
        return True

    def predictions(self, _: str) -> pl.DataFrame:
        return self.rows


def told(rows: pl.DataFrame, form: Answer, monkeypatch: pytest.MonkeyPatch, *, exact: bool = False) -> Any:
    calibration = Calibration(kind="platt", slope=0.5) if form is BINARY else None
    outputs = Outputs(Origin("a run", "f", None), ("no", "yes"), ("no", "yes"), form, calibration)
    kept: Any = Kept(rows, form, monkeypatch, exact)
    return reference(kept, outputs), outputs


@pytest.mark.parametrize("form", [BINARY, ONE_OF, ANY_OF])
def test_bins_and_quantiles_are_those_of_the_recalibrated_probabilities(
    form: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = predicted(1234, form)
    made, outputs = told(rows, form, monkeypatch, exact=True)
    p = outputs.probability(form.read(rows)[1].astype(float))
    p = p if form is BINARY else p[:, 1]
    assert made["labels"]["yes"]["counts"] == np.histogram(p, 20, (0, 1))[0].tolist()
    for share, value in made["labels"]["yes"]["quantiles"].items():
        assert (p <= value * 1.01).mean() >= float(share) - 1e-3
        assert (p < value * 0.99).mean() <= float(share)
    assert (made["rows"], made["class_width"], len(made["labels"]["yes"]["quantiles"])) == ("1,234", 1, 19)


def test_of_real_patients_bins_are_shown_by_their_class_of_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = predicted(1234, BINARY)
    exact = told(rows, BINARY, monkeypatch, exact=True)[0]["labels"]["yes"]["counts"]
    made = told(rows, BINARY, monkeypatch)[0]
    assert made["rows"] == "1,230+"
    assert made["labels"]["yes"]["counts"] == [None if n < 20 else n - n % 20 for n in exact]
    assert None in made["labels"]["yes"]["counts"]
    assert 0 not in made["labels"]["yes"]["counts"]


@pytest.mark.parametrize(
    ("rows", "patients", "known"), [(400, 400, 19), (199, 199, 9), (99, 99, 3), (39, 39, 1), (400, 39, 1), (400, 99, 3)]
)
def test_between_two_quantiles_there_are_ten_rows_and_ten_patients(
    rows: int, patients: int, known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = told(predicted(rows, BINARY, patients), BINARY, monkeypatch)[0]
    assert len(made["labels"]["yes"]["quantiles"]) == known


def test_nothing_is_shown_of_few_and_nothing_of_hundreds_of_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(predicted(18, BINARY), BINARY, monkeypatch)[0] == {"missing": "too few to show"}
    outputs = replace(told(predicted(50, ANY_OF), ANY_OF, monkeypatch)[1], labels=("a",) * 201)
    kept: Any = Kept(predicted(50, ANY_OF), ANY_OF, monkeypatch, True)
    assert "200 labels" in reference(kept, outputs)["missing"]


def test_a_run_s_own_predictions_are_the_reference(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    run: Run = served.runs["lora"]
    monkeypatch.setattr(module, "is_exact", lambda *_, **__: True)
    made = reference(run, outputs_of(run))
    assert sum(made["labels"]["died"]["counts"]) == run.predictions(made["split"]).height
