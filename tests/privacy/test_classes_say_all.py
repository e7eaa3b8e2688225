"""Two tables whose counts differ within their classes of ten, and in nothing else, are printed alike.

All texts are of one length, which whoever has seen one of them knows: any sum over them is a multiple of their number.
"""

import json
import random
import re
import string
from pathlib import Path
from typing import Final

import pytest

from chartune.models.backbone import LocalBackbone
from chartune.testing.chain import FINETUNE, PRETRAIN
from chartune.testing.command_line import chartune

WORDS: Final = 30
SIZES: Final = {"fewer": {"train": 30, "validation": 12, "test": 8}, "more": {"train": 38, "validation": 18, "test": 2}}
EPOCH: Final = ("optimisation.duration.value=1", "optimisation.duration.unit=epochs", "optimisation.batch_size=1")
PLANS: Final = {
    "finetune": ("finetune", FINETUNE),
    "pretrain": ("pretrain", (*PRETRAIN, "held_out_blocks=512")),
    "first tokens": ("pretrain", (*PRETRAIN, "notes=first-tokens")),
}


def table_of(folder: Path, sizes: dict[str, int]) -> Path:
    """A table of patients with one text each, and lists of who stands in which split."""
    dice, rows, subject = random.Random(0), ["subject_id,text,label"], 1000
    folder.mkdir()
    for split, size in sizes.items():
        (folder / f"{split}.csv").write_text(
            "\n".join(["subject_id", *(str(n) for n in range(subject, subject + size))])
        )
        for number in range(size):
            text = " ".join("".join(dice.choices(string.ascii_lowercase, k=5)) for _ in range(WORDS))
            rows.append(f"{subject},{text},{('no', 'yes')[number % 2]}")
            subject += 1
    (folder / "notes.csv").write_text("\n".join([*rows, ""]))
    return folder


def printed(folder: Path, base: Path, plans: tuple[str, ...]) -> dict[str, str]:
    """What the verbs print of it, by verb; names of data and the size of the one raw file blanked out.

    Args:
        folder: of the table.
        base: a base model's folder.
        plans: names of `PLANS`.
    """
    at, data = ("--store", folder / "store"), (folder / "notes.csv", "--splits", folder)
    model = ("--base", base, *(word for setting in EPOCH for word in ("--set", setting)))

    def said(*words: object) -> str:
        done = chartune(*words, *at)
        assert done.code in (0, 3), done.err
        return done.out + done.err

    console = said("prepare", *data)
    (name,) = re.findall(r"\(data (\w{16})\)", console)
    every = {
        "prepare": console, "json": said("datasets", name, "--json"), "datasets": said("datasets", name),
        "card": (folder / "store" / "data" / name / "README.md").read_text(), "audit": said("audit-data", name),
        **{plan: said("plan", PLANS[plan][0], *data, *model, "--json", *sets(*PLANS[plan][1])) for plan in plans},
    }  # fmt: skip
    return {verb: _alike(text, folder) for verb, text in every.items()}


def sets(*settings: str) -> tuple[str, ...]:
    return tuple(word for setting in settings for word in ("--set", setting))


def _alike(text: str, folder: Path) -> str:
    """Without fingerprints, folders, sizes of files and what a plan measures of the machine."""
    if text.startswith("{") and "workload" in text:
        text = json.dumps(json.loads(text)["workload"], indent=1)
    text = re.sub(r"\b[0-9a-f]{16,64}\b|\d{4}-\d\d-\d\d(T[\d:+]+)?", "-", text.replace(str(folder), "-"))
    return re.sub(r'"bytes": \d+|[\d.]+ (?:B|[KM]iB)\b', "-", text)


@pytest.mark.parametrize("plans", [
    ("finetune",), pytest.param(("pretrain", "first tokens"), marks=pytest.mark.slow),
])  # fmt: skip
def test_counts_that_differ_within_their_classes_are_printed_alike(
    tmp_path: Path, llama: LocalBackbone, plans: tuple[str, ...]
) -> None:
    tables = (table_of(tmp_path / name, sizes) for name, sizes in SIZES.items())
    fewer, more = (printed(table, llama.folder, plans) for table in tables)
    for verb, text in fewer.items():
        assert text == more[verb], verb
