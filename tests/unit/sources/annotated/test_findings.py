"""Findings: whatever is read is kept or left out with a reason."""

import pytest

from chartune.errors import DataError
from chartune.sources.annotated.findings import MOST_IDS, Findings


def test_what_is_neither_kept_nor_counted_is_an_error() -> None:
    findings = Findings()
    findings.read("entities", 5)
    findings.left_out("entities", "odd", "d")
    findings.note("entities", "moved", "d")
    findings.reconcile({"entities": 4, "relations": 0})
    with pytest.raises(DataError, match="so 1 are not accounted for"):
        findings.reconcile({"entities": 3})


def test_findings_name_a_few_documents_and_count_the_others() -> None:
    findings = Findings()
    for number in range(30):
        findings.note("documents", "odd", f"{number:02}", 2)
    (one,) = findings.all()
    assert (one.count, one.documents, len(one.ids), one.ids[0]) == (60, 30, MOST_IDS, "00")
    assert one.to_json()["ids"] == list(one.ids)


def test_warnings_hold_counts_and_no_ids() -> None:
    findings = Findings()
    findings.left_out("pairs", "no label", "secret-id")
    assert findings.warnings() == ("pairs: 1 left out in 1 document: no label.",)
