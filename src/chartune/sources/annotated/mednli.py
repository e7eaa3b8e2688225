"""MedNLI (Romanov & Shivade, 2018): premises from MIMIC-III, hypotheses by clinicians, one JSON object per line.

    {"gold_label": "entailment", "sentence1": premise, "sentence2": hypothesis, "pairID": "23eb94b8...", ...parses}

Three files, `mli_train_v1.jsonl`, `mli_dev_v1.jsonl` and `mli_test_v1.jsonl`. Each premise has three hypotheses. The
premises come from patients who died, whose other notes stand in MIMIC-III.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from chartune.errors import LeakageError, SchemaError
from chartune.sources.annotated.archives import RawFile, is_archive, read_corpus
from chartune.sources.annotated.corpus import AnnotatedCorpus, Published, decoded, same_first_text, two_versions
from chartune.sources.annotated.documents import Rows
from chartune.sources.annotated.findings import Findings
from chartune.sources.facts import TableFacts, file_facts
from chartune.sources.releases import CREDENTIALED
from chartune.store import Store

FILE: Final = re.compile(r"mli_(?P<part>train|dev|test)_v1\.jsonl", re.IGNORECASE)
SPLITS: Final = {"train": "train", "dev": "validation", "test": "test"}
LABELS: Final = frozenset({"entailment", "neutral", "contradiction"})
NO_LABEL: Final = "its label is none of entailment, neutral and contradiction"
NO_SENTENCE: Final = "it has no premise or no hypothesis"
TWICE: Final = "its pairID stands there twice"


class MedNli(AnnotatedCorpus):
    """The MedNLI corpus: does the hypothesis follow from the premise?"""

    kind: Literal["mednli"] = "mednli"
    published = Published("1.0.0", "MedNLI", CREDENTIALED, {"train": 11_232, "validation": 1_395, "test": 1_422})
    endings = (".jsonl",)

    def files(self) -> dict[str, Path]:
        """The three parts, and archives. Raises SchemaError: there is no such file."""
        return {path: file for path, file in super().files().items() if is_archive(file) or FILE.fullmatch(file.name)}

    def facts(self, store: Store) -> dict[str, TableFacts]:
        """File → size and hash. Raises SchemaError: bytes are not those that `SHA256SUMS.txt` lists."""
        return {path: file_facts(file, store) for path, file in self.files().items()}

    def fill(self, rows: Rows, findings: Findings) -> None:
        """Read the pairs, part by part. Raises SchemaError, too, where those for training are missing."""
        parts = _parts(read_corpus(self.folder, self.endings))
        if "train" not in parts:
            raise SchemaError(
                f"MedNLI must have mli_train_v1.jsonl, but {self.folder} holds {len(parts)} other splits of it; "
                f"add the file."
            )
        split_by_id: dict[str, str] = {}
        for part, file in sorted(parts.items()):
            for pair in _objects(file, findings):
                _add(pair, part, split_by_id, rows, findings)


def _parts(files: list[RawFile]) -> dict[str, RawFile]:
    """Part (`train`, `dev`, `test`) → its file."""
    parts: dict[str, RawFile] = {}
    for file in files:
        named = FILE.fullmatch(file.name)
        if named:
            known = parts.setdefault(named["part"].lower(), file)
            if known.content != file.content:
                raise two_versions(known.path, file.path)
    return parts


def _objects(file: RawFile, findings: Findings) -> Iterator[dict[str, Any]]:
    """The objects of a file's lines. Raises SchemaError: a line is none."""
    for number, line in enumerate(decoded(file, file.name, findings).split("\n"), start=1):
        if not line.strip():
            continue
        value: Any = None
        with contextlib.suppress(ValueError, RecursionError):  # they quote the line
            value = json.loads(line)
        if not isinstance(value, dict):
            raise SchemaError(
                f"{file.path}: every line must be one JSON object, but line {number} is none; get the file again."
            )
        yield value


def _add(pair: dict[str, Any], part: str, split_by_id: dict[str, str], rows: Rows, findings: Findings) -> None:
    findings.read("pairs")
    pair_id, label, *sentences = (_word(pair.get(name)) for name in ("pairID", "gold_label", "sentence1", "sentence2"))
    pair_id = pair_id or f"{part}-{len(rows.pairs) + 1}"
    reason = _cannot_be_used(label, sentences, pair_id in split_by_id)
    if pair_id in split_by_id and split_by_id[pair_id] != part:
        raise LeakageError(
            f"a pair must stand in one split of MedNLI, but one pairID stands in {split_by_id[pair_id]} and {part}; "
            f"get the files again."
        )
    if reason:
        findings.left_out("pairs", reason, f"mli_{part}_v1")
        return
    split_by_id[pair_id] = part
    rows.pairs.append((pair_id, same_first_text(sentences[0]), SPLITS[part], *sentences, label))


def _cannot_be_used(label: str, sentences: list[str], known: bool) -> str:
    if label not in LABELS:
        return NO_LABEL
    if not all(sentences):
        return NO_SENTENCE
    return TWICE if known else ""


def _word(value: Any) -> str:
    # A half of a character pair is legal in JSON and in no text.
    return value.encode("utf-8", "replace").decode().strip() if isinstance(value, str) else ""
