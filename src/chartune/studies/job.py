"""Job: a study written down for the processes that do its cells; what they leave goes into the store.

studies/jobs/<hash>.json   {study, store, ledger, data}     no results, no patients' words
"""

import json
from pathlib import Path
from typing import Any, Final

from chartune.config import fingerprint
from chartune.errors import ConfigError
from chartune.record import Record
from chartune.store import Artefact, Store, storing, write_json
from chartune.studies.failures import SHELF
from chartune.studies.ledger import keeping, read_entries
from chartune.studies.parents import family_of
from chartune.studies.standing import Survey
from chartune.studies.study import Study

JOBS: Final = "jobs"


class Job(Record):
    """A study, and where its results go."""

    study: dict[str, Any]
    """As plain data: file, profile and flags in one."""
    store: str
    """Its folder."""
    ledger: str | None = None
    data: dict[int, str]
    """Cell → fingerprint of its prepared data."""

    @property
    def title(self) -> str:
        """Of the study."""
        return str(self.study["title"])


def write_job(asked: Survey, ledger: Path | None) -> Path:
    """Write a study down in its store; the same study has one file.

    Args:
        asked: its cells, with their prepared data.
        ledger: gets a line for each finished cell; None: there is none.

    Raises:
        StoreError: it cannot be written.
    """
    store, data = asked.store, {number: artefact.fingerprint for number, artefact in (asked.data or {}).items()}
    job = Job(
        study=asked.family.study.model_dump(mode="json"), store=str(store.root),
        ledger=str(ledger.absolute()) if ledger else None, data=data,
    )  # fmt: skip
    plain = job.model_dump(mode="json")
    path = store.root / SHELF / JOBS / f"{fingerprint('job', 1, plain)}.json"
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(path, plain)
    return path


def read_job(path: Path) -> Job:
    """A study as it was written down. Raises ConfigError: the file is none."""
    try:
        return Job.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        raise ConfigError(
            f"a job must be a file that `chartune study run` has written, but {path} is none; start the study again."
        ) from None


def survey_of(job: Job) -> Survey:
    """The cells of a job's study, none asked yet.

    Raises:
        ConfigError: its study or its ledger cannot be read.
        StoreError: its prepared data are gone.
    """
    study, store = Study.parse(job.study, "a job"), Store(job.store)
    ledger = Path(job.ledger) if job.ledger else None
    entries = read_entries(ledger) if ledger else {}
    data = {number: _data(store, name) for number, name in job.data.items()}
    return Survey(family_of(study)[0], store, entries, data, keep=keeping(ledger, entries, study.title, store))


def _data(store: Store, name: str) -> Artefact:
    found = store.find("data", name)
    if found is None:
        raise ConfigError(f"prepared data must be in the store, but {name} are gone; start the study again.")
    return found
