"""PubMedQA (Jin et al., 2019): does an abstract say yes, no or maybe to the question in its title?

    {"10808977": {"QUESTION": "Can tailored ...?", "CONTEXTS": ["paragraph", ...], "final_decision": "yes", ...}, ...}

The abstract is read without its conclusion, as the reasoning-required setting has it. Files are one JSON object each
(`ori_pqal.json`, `pqal_train_set.json`, ...; .gz); where none is named for a test split, a hash of the id draws it.
"""

import contextlib
import json
import re
from pathlib import Path
from typing import Any, Final, Literal

from chartune.errors import SchemaError
from chartune.quantities import Fraction
from chartune.sources.annotated.archives import RawFile, is_archive, read_corpus
from chartune.sources.annotated.conll import unpacked
from chartune.sources.annotated.corpus import (
    DEV_IS_TEST,
    TEST,
    TRAIN,
    VALIDATION,
    AnnotatedCorpus,
    Published,
    decoded,
    named_split,
)
from chartune.sources.annotated.dev import drawn_test
from chartune.sources.annotated.documents import Rows
from chartune.sources.annotated.findings import Findings

FILE: Final = re.compile(r"(?:ori_)?pqa[lau]\w*\.json(?:\.gz)?", re.IGNORECASE)
LABELS: Final = frozenset({"yes", "no", "maybe"})
NO_LABEL: Final = "its final decision is none of yes, no and maybe"
NO_TEXT: Final = "it has no question or no abstract"
DRAWN: Final = "no file is named for a test split, so that a hash of the id drew it"


class PubMedQa(AnnotatedCorpus):
    """The labelled part of PubMedQA."""

    kind: Literal["pubmedqa"] = "pubmedqa"
    published = Published("PQA-L", "PubMedQA", "MIT", {})
    endings = (".json", ".json.gz")
    test: Fraction = 0.2
    """Share of the questions that is the test split, where no file is named for it."""
    salt: str = "chartune"
    """Another salt, another test split."""

    def files(self) -> dict[str, Path]:
        """The files of questions, and archives. Raises SchemaError: there is no such file."""
        return {path: file for path, file in super().files().items() if is_archive(file) or FILE.fullmatch(file.name)}

    def fill(self, rows: Rows, findings: Findings) -> None:
        """Read the questions, file by file. Raises SchemaError, too, where an id occurs twice."""
        files = [file for file in read_corpus(self.folder, self.endings) if FILE.fullmatch(file.name)]
        named = {file.path: named_split(file.path) for file in files}
        drawn = drawn_test(self.salt, self.test)
        known: set[str] = set()
        for file in files:
            for id_, entry in _entries(file, findings).items():
                if id_ in known:
                    raise SchemaError(
                        f"every question of PubMedQA must stand in one file, but one of {file.path} stands twice; "
                        f"remove the file that repeats it."
                    )
                known.add(id_)
                split = named[file.path] or TRAIN
                if not {TEST, VALIDATION} & set(named.values()):
                    findings.note("pairs", DRAWN, id_)
                    split = drawn.drawn(id_)
                elif split == VALIDATION and TEST not in named.values():
                    findings.note("pairs", DEV_IS_TEST, id_)
                    split = TEST
                _add(id_, entry, split, rows, findings)


def _entries(file: RawFile, findings: Findings) -> dict[str, Any]:
    """Id → question. Raises SchemaError: the file is no object of objects."""
    value: Any = None
    with contextlib.suppress(ValueError, RecursionError):  # they quote the text
        value = json.loads(decoded(RawFile(file.path, unpacked(file)), file.path, findings))
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in value.values()):
        raise SchemaError(f"{file.path} must be one JSON object of questions by their ids, but is none; get it again.")
    return value


def _add(id_: str, entry: dict[str, Any], split: str, rows: Rows, findings: Findings) -> None:
    findings.read("pairs")
    contexts = entry.get("CONTEXTS")
    paragraphs = [str(part).strip() for part in contexts] if isinstance(contexts, list) else []
    question, label = (str(entry.get(name) or "").strip() for name in ("QUESTION", "final_decision"))
    abstract = "\n".join(filter(None, paragraphs))
    reason = NO_LABEL if label not in LABELS else "" if question and abstract else NO_TEXT
    if reason:
        findings.left_out("pairs", reason, id_)
    else:
        rows.pairs.append((id_, id_, split, question, abstract, label))
