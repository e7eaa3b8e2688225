"""Where TF-IDF cannot read what a model read, that is said in a line, and nothing is tried."""

from types import SimpleNamespace
from typing import Any

import pytest

from chartune.answers import BINARY
from chartune.answers.catalog import SPANS
from chartune.batches.long_texts import FIRST
from chartune.stages.baseline import baseline_of


@pytest.mark.parametrize(("form", "of_pairs"), [(BINARY, True), (SPANS, False)])
def test_beside_pairs_and_spans_there_is_no_tfidf_and_no_advice_to_train_what_was_trained(
    form: Any, of_pairs: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    run: Any = SimpleNamespace(about=SimpleNamespace(of_pairs=of_pairs), form=form)
    stage: Any = SimpleNamespace(long=FIRST)
    store: Any = None  # is not looked at
    assert baseline_of(run, stage, store) is None
    assert capsys.readouterr().err == (
        "note: there is no TF-IDF beside this run, which reads pairs of texts or finds spans\n"
    )
