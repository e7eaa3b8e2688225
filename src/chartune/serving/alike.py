"""Alike: several runs that score one input must read it alike. Knows no tensors, so that it is checked at once."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chartune.errors import ConfigError
from chartune.prediction.texts import Texts
from chartune.stages.chosen import Chosen
from chartune.store import Store

PLACES: Final = ("{task}", "{run}")
"""What stands in `--out` for the name of the task, and for the fingerprint of the run."""


def must_read_alike(every: Sequence[Chosen], source: Path) -> None:
    """Refuse runs that do not read one input alike.

    Args:
        every: the runs.
        source: the input.

    Raises:
        ConfigError: it is a folder; one reads pairs, or texts to the character, and another does not; or one is named
            twice.
    """
    if source.is_dir():
        raise ConfigError(
            f"several runs must score a table or one text, but {source} is a folder, of which each task reads other "
            f"rows; score it run by run."
        )
    names = [chosen.fingerprint for chosen in every]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"every run must be named once, but {twice[0]} is named twice; leave one out.")
    first = every[0]
    for chosen in every[1:]:
        if (chosen.breaks, chosen.of_pairs) != (first.breaks, first.of_pairs):
            raise ConfigError(
                f"several runs must read their texts alike, but {chosen.fingerprint} ({_reads(chosen)}) and "
                f"{first.fingerprint} ({_reads(first)}) do not; score them one by one."
            )


def must_be_the_same(inputs: Sequence[Texts], store: Store) -> None:
    """Refuse runs of which one reads other columns, or reads them otherwise. Raises ConfigError."""
    if len({texts.digest(store) for texts in inputs}) > 1:
        raise ConfigError(
            "several runs must read the same columns in the same way, but by the names and the dialect of what they "
            "were trained on these would not; say which with --text and --id, or score them one by one."
        )


def outputs_named(out: Path, every: Sequence[Chosen], names: Sequence[str] | None = None) -> list[Path]:
    """Where each run writes.

    Args:
        out: with places for names.
        every: the runs.
        names: of their tasks; None: as they are by themselves.

    Raises:
        ConfigError: two would write to one file, or a name is none of a file.
    """
    called = [chosen.task for chosen in every] if names is None else list(names)
    if any(os.sep in name for name in called):
        raise ConfigError(f"the name of a task must hold no {os.sep} to name a file, but one does; write {{run}}.")
    made = [
        Path(str(out).replace("{task}", name).replace("{run}", chosen.fingerprint))
        for chosen, name in zip(every, called, strict=True)
    ]
    if len(set(made)) < len(made):
        raise ConfigError(
            f"--out of several runs must name a file for each, but {out} names {len(set(made))} for {len(made)}; write "
            f"{' or '.join(PLACES)} into it, such as scored-{{run}}.csv (two runs of one task need {{run}})."
        )
    return made


def _reads(chosen: Chosen) -> str:
    return f"{'pairs' if chosen.of_pairs else 'single texts'}, line breaks {chosen.breaks}"


def runs_asked(runs: Sequence[str] | None, file: Path | None) -> tuple[list[str], list[str] | None]:
    """The runs that a command names, and what their tasks are called; None: as they are by themselves.

    Raises:
        ConfigError: neither is given, or both; or the file cannot be read.
    """
    if bool(runs) == bool(file):
        raise ConfigError("either runs or --bank must say what scores INPUT; give one of the two.")
    if file is None:
        return list(runs or []), None
    from chartune.serving.bank_file import BankFile  # of a bank, which brings the libraries of models

    tasks = BankFile.read(file).tasks
    return [task.run for task in tasks.values()], list(tasks)
