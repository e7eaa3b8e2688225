"""Made-up pairs of texts, and a tokenizer that writes pairs as BERT does. Nobody's words.

Whether a pair is a case can be told from neither text alone: it is one where both texts name a fever.
"""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chartune.models.backbone import LocalBackbone, inspect
from chartune.testing.downloads import write_loose
from chartune.testing.twins import make_twin

LIKELY: Final = 0.7
"""How often a text names a fever."""
SIZES: Final = (("train", 192), ("dev", 48), ("test", 48))
PAIR: Final = {
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "</s>", "type_id": 0}}],
    "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
             {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
             {"SpecialToken": {"id": "</s>", "type_id": 1}}],
}  # fmt: skip
"""`<s> A </s> B </s>`, with token types."""


def feverish(count: int, seed: int) -> list[dict[str, str]]:
    """Rows of pairs: id, premise, hypothesis, label (`case`, `control`); three of each premise."""
    chance, rows = random.Random(seed), list[dict[str, str]]()
    premise, hot = "", False
    for number in range(count):
        if number % 3 == 0:
            hot = chance.random() < LIKELY
            premise = f"the patient {seed} {number} has {'fever' if hot else 'pain'}"
        too = chance.random() < LIKELY
        label = "case" if hot and too else "control"
        second = f"{'fever' if too else 'a fall'} {number} on stairs"
        rows.append({"id": f"{seed}-{number}", "premise": premise, "hypothesis": second, "label": label})
    return rows


def write_pairs(folder: Path, *, sizes: Sequence[tuple[str, int]] = SIZES) -> Path:
    """`train.jsonl`, `dev.jsonl` and `test.jsonl`."""
    return write_loose(folder, {f"{part}.jsonl": lines(feverish(n, seed)) for seed, (part, n) in enumerate(sizes)})


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_pubmedqa(folder: Path, count: int = 60) -> Path:
    """Questions with paragraphs and a decision, one of them without an abstract."""
    decisions = ("yes", "no", "maybe")
    entries = {
        str(100 + n): {"QUESTION": f"Does case {n} rest?", "CONTEXTS": [f"It is {decisions[n % 3]}.", f"Case {n}."],
                       "final_decision": decisions[n % 3]}
        for n in range(count)
    }  # fmt: skip
    entries["999"] = {"QUESTION": "Does nobody rest?", "CONTEXTS": [], "final_decision": "no"}
    return write_loose(folder, {"ori_pqal.json": json.dumps(entries)})


def writes_pairs_as_bert(folder: Path) -> Path:
    """Have the tokenizer of a twin put an end after each text of a pair, and tell both by types."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    special = {token: {"id": token, "ids": [vocabulary[token]], "tokens": [token]} for token in ("<s>", "</s>")}
    content["post_processor"] = {"type": "TemplateProcessing", **PAIR, "special_tokens": special}
    path.write_text(json.dumps(content))
    return folder


def paired_twin(folder: Path, model_type: str) -> LocalBackbone:
    """The twin of a family whose tokenizer writes pairs as BERT's does."""
    place = folder / f"{model_type}-paired"
    if not place.exists():
        writes_pairs_as_bert(make_twin(model_type, place))
    return inspect(place, name=f"tiny-{model_type}", licence="none", exposure="none")
