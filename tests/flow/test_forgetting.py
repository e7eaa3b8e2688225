"""Forgetting: books, speeches and articles read before and after an adaptation to notes."""

import gzip
import json
from pathlib import Path

import pytest

from chartune.models.backbone import LocalBackbone
from chartune.sources.plain_texts import plain_texts
from chartune.testing.chain import PRETRAIN, steps
from chartune.testing.command_line import chartune
from chartune.testing.open_data import open_data

pytestmark = pytest.mark.slow


def test_general_english_is_scored_before_and_after(hospital: Path, llama: LocalBackbone, tmp_path: Path) -> None:
    english, store = open_data("general-english"), ("--store", tmp_path / "store")
    words = (hospital, "--base", llama.folder, *steps(12, *PRETRAIN), "--general-text", english)
    said = chartune("pretrain", *words, *store, "--json")
    assert said.code == 0, said.err
    general = json.loads(said.out)["scores"]["general"]
    before, after = (general[name] for name in ("perplexity_before", "perplexity"))
    assert before["low"] < before["value"] < before["high"]
    assert before["value"] != after["value"]
    assert general["perplexity_ratio"]["value"] == pytest.approx(after["value"] / before["value"])
    page = chartune("report", "--out", tmp_path / "report.html", *store)
    assert page.code == 0, page.err
    assert "General, after" in (tmp_path / "report.html").read_text(encoding="utf-8")
    one = tmp_path / "frankenstein.txt"
    one.write_bytes(gzip.decompress((english / "gutenberg" / "84-frankenstein.txt.gz").read_bytes()))
    assert plain_texts(one)[0] in plain_texts(english)
