"""The file of a study as the verbs of `chartune study` take it: with a profile and flags over it, on other data."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chartune.cli.options import listed_splits, source_at
from chartune.config import override, read_yaml
from chartune.errors import ConfigError
from chartune.sources.kinds import SOURCES, source_class
from chartune.store import Store

if TYPE_CHECKING:
    from chartune.studies.standing import Survey
    from chartune.studies.study import Study


def asked_study(
    file: Path, folder: Path | None, source: str | None, splits: Path | None, sets: list[str] | None,
    profile: str | None = None,
) -> "Study":  # fmt: skip
    """The study in a file, a profile and then the flags written over it. Raises ConfigError: it is none."""
    from chartune.studies.profiles import profiled
    from chartune.studies.study import Study

    written = profiled(read_yaml(file), profile, str(file))
    named = written.get("data") or {}
    if not isinstance(named, dict):
        raise ConfigError(
            f"`data` of {file} must be a mapping, such as `source: {{kind: mimic3, folder: raw}}`, but is a "
            f"{type(named).__name__}; correct it, or leave it out and give the folder of the raw data."
        )
    data: dict[str, Any] = dict(named)
    if folder is not None:
        data["source"] = _moved(data.get("source"), source_at(folder, source))
    if splits is not None:
        data["splits"] = listed_splits(splits)
    return Study.parse(override({**written, "data": data}, sets or []), str(file))


def _moved(named: Any, at: dict[str, Any]) -> dict[str, Any]:
    """A source at another place.

    Args:
        named: as the file says.
        at: kind and place of the raw data that are given.

    Returns:
        `at`, and where it is of the kind that the file names what that says of it, such as the names of columns; but no
        other path, which would be of other data.
    """
    if not isinstance(named, dict) or named.get("kind") != at["kind"]:
        return at
    beside = source_class(at["kind"]).beside if at["kind"] in SOURCES else ()
    return {name: value for name, value in named.items() if name not in beside} | at


def surveyed(study: "Study", store: Store, ledger: Path | None) -> "Survey":
    """How far every cell is. Raises ConfigError: a reference means no cell, or the ledger is damaged."""
    from chartune.studies.ledger import read_entries
    from chartune.studies.parents import family_of
    from chartune.studies.problems import together
    from chartune.studies.standing import survey

    family, problems = family_of(study)
    if problems:
        raise ConfigError(together(problems))
    return survey(family, store, read_entries(ledger) if ledger else {})
