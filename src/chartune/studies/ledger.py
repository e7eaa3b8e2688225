"""The ledger of a study: a line for each finished cell, small enough to commit, by which another machine goes on.

    {"fingerprint", "settings", "scores", "cost", …, "checksum"}

A cell that stands there is done where nobody asks for its weights. Of real patients scores stand as they may be
released, and no predictions. A line is appended whole, by one process at a time. What a kill left of the last line is
no line; any other line that is damaged is an error, because a result would be lost.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from chartune.answers import Metric
from chartune.disclosure import magnitude
from chartune.errors import ConfigError
from chartune.lease import guarded
from chartune.log import say
from chartune.quantities import Estimate
from chartune.record import Record
from chartune.report.released import is_exact, scores_json
from chartune.report.table import NOT_MEASURED
from chartune.runs.efficiency import efficiency_of
from chartune.runs.record import ADAPTER, NamedSource
from chartune.runs.run import Run
from chartune.stages.identity import Identity
from chartune.stages.inputs import content_of, find_adapter
from chartune.store import Store, storing
from chartune.studies.cell import Cell
from chartune.studies.ledger_rows import packed

CHECKSUM: Final = "checksum"
FORMAT: Final = 1


class Entry(Record):
    """A finished cell, as a ledger has it."""

    format: int
    """Of the line."""
    study: str
    """Title of the study that asked for it first."""
    cell: str
    """Its title there."""
    name: str
    """What it is called in the study."""
    fingerprint: str
    """Of the run."""
    kind: str
    revision: int
    settings: dict[str, Any]
    """All that determines the run beside kind and revision: the fingerprint is their hash."""
    task: str | None = None
    source: NamedSource | None = None
    metric: str
    """The headline of its scores."""
    title: str
    """What people call that."""
    scores: dict[str, Any]
    """Split → metric → value and interval; or why it is not shown."""
    exact: bool
    """Whether the scores are as measured; False: as they may be released."""
    adapter: dict[str, Any] | None = None
    """`sha256` and method of its one adapter, for cells that are built on it; None: it leaves none, or several."""
    cost: dict[str, Any]
    efficiency: dict[str, Any] | None = None
    """What the run has measured besides (`chartune.runs.efficiency`), of real patients nothing that counts texts; None:
    nothing was measured, or an older line."""
    versions: dict[str, str] | None = None
    finished: str | None = None
    predictions: str | None = None
    """Of made-up data: `chartune.studies.ledger_rows`; None: not to be given away, or too large."""

    @property
    def data(self) -> str:
        """Fingerprint of its prepared data."""
        return str(self.settings.get("data"))

    @property
    def split(self) -> str:
        """The split that it is reported on."""
        return "test" if "test" in self.scores else "validation"

    @property
    def headline(self) -> Metric:
        """Its primary metric."""
        return Metric(self.metric, self.title)

    def score(self, split: str) -> Estimate | str:
        """Its headline on a split as it may be shown, without n; or why there is none."""
        row = self.scores.get(split)
        kept = row.get(self.metric) if isinstance(row, dict) else row
        if not isinstance(kept, dict):
            return str(kept or NOT_MEASURED)
        return Estimate(float(kept["value"]), kept.get("low"), kept.get("high"))

    def text(self, split: str) -> str:
        """The same in words; what was rounded before gets no further digits."""
        score = self.score(split)
        if self.exact or isinstance(score, str):
            return str(score)
        ends = "" if score.low is None or score.high is None else f" [{score.low:g}, {score.high:g}]"
        return f"{score.value:g}{ends}"


def entry_of(run: Run, cell: Cell, study: str, identity: Identity, store: Store) -> Entry:
    """The line of a finished cell."""
    exact, about, cost = is_exact(run, False), run.about, run.cost
    return Entry(
        format=FORMAT, study=study, cell=cell.title(), name=cell.name, fingerprint=identity.fingerprint,
        kind=identity.kind, revision=identity.revision, settings=dict(identity.settings), task=run.task,
        source=about.source, metric=run.headline.metric, title=run.headline.title,
        scores=scores_json(run, False), exact=exact, adapter=_adapter(run, store),
        versions=about.versions, finished=about.finished,
        cost={**cost.to_json(), "tokens": magnitude(cost.tokens, exact, about.texts)},
        efficiency=_efficiency(run, exact), predictions=packed(run) if exact else None,
    )  # fmt: skip


def _efficiency(run: Run, exact: bool) -> dict[str, Any] | None:
    """What a run has measured of its efficiency, as it may be shown; None: nothing."""
    known, texts = efficiency_of(run.artefact), run.about.texts
    if not exact:
        hidden = dict.fromkeys(("reading_seconds", "reading_texts", "reading_tokens"))
        tokens = magnitude(known.best_tokens, exact, texts)
        flops = {name: magnitude(getattr(known, name), exact, texts) for name in ("flops", "best_flops")}
        known = known.but(**hidden, **flops, best_tokens=None if tokens is None else int(tokens))
    return known.model_dump(mode="json", exclude_none=True, exclude_defaults=True) or None


def _adapter(run: Run, store: Store) -> dict[str, Any] | None:
    return content_of(find_adapter(str(run.path / ADAPTER), store)) if _leaves_one(run) else None


def _leaves_one(run: Run) -> bool:
    return run.artefact.holds(f"{ADAPTER}/adapter_config.json")


def read_entries(path: Path) -> dict[str, Entry]:
    """The finished cells of a ledger by fingerprint; the first line of each counts. No file: none.

    Raises:
        ConfigError: it cannot be read, a line is damaged, or a fingerprint is not that of its settings.
    """
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    except OSError as error:
        raise ConfigError(
            f"a ledger must be a readable file, but {path} is not ({error.strerror}); correct its rights, or name "
            f"another file with --ledger."
        ) from None
    entries: dict[str, Entry] = {}
    again: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if number == len(lines) and _parsed(line) is None:
            say(f"the last line of {path} was not written whole; its cell is taken up again")
            continue
        entry = _entry(line, f"line {number} of the ledger {path}")
        if entries.setdefault(entry.fingerprint, entry).scores != entry.scores:
            again.add(entry.fingerprint)
    if again:
        say(f"{len(again)} cells stand in {path} more than once with different scores; of each the first line counts")
    return entries


def must_be_of(entries: Iterable[Entry], data: Iterable[str], path: Path) -> None:
    """Refuse the ledger of a study on other data.

    Args:
        entries: of the ledger.
        data: fingerprints of the study's prepared data.
        path: of the ledger.

    Raises:
        ConfigError: a line stands on none of these data.
    """
    known = set(data)
    other = next((entry for entry in entries if entry.data not in known), None)
    if other is not None:
        raise ConfigError(
            f"a ledger must be of the data of its study ({', '.join(sorted(known))}), but {path} has `{other.cell}` of "
            f"{other.study!r} on {other.data}; name another file with --ledger, or give the raw data that it was made "
            f"from."
        )


def must_be_writable(path: Path) -> None:
    """Make an empty ledger where there is none, before a night of training. Raises StoreError: it cannot be written."""
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass


def append(path: Path, entry: Entry) -> None:
    """Put a cell at the end of a ledger, unless it stands there; what a kill has left of the last line is cut off.

    Raises:
        StoreError: it cannot be written, or another process does not let go of it.
    """
    fields = entry.model_dump(mode="json", exclude_none=True)
    line = _canonical({**fields, CHECKSUM: _checksum(fields)}) + b"\n"
    with storing(path), guarded(path), path.open("r+b") as file:
        *lines, tail = file.read().split(b"\n")
        ended = _parsed(tail) is None  # else the last line is whole but for its end
        known = any(_fingerprint(earlier) == entry.fingerprint for earlier in (*lines, tail))
        file.seek(-len(tail) if ended else 0, os.SEEK_END)
        file.write((b"" if ended else b"\n") + (b"" if known else line))
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def keeping(path: Path | None, known: Iterable[str], study: str, store: Store) -> Callable[[Run, Cell, Identity], None]:
    """What puts finished runs into a ledger, each once.

    Args:
        path: of the ledger; None: there is none.
        known: fingerprints that stand there.
        study: its title.
        store: of the runs.
    """
    kept = set(known)

    def keep(run: Run, cell: Cell, identity: Identity) -> None:
        if path and identity.fingerprint not in kept:
            append(path, entry_of(run, cell, study, identity, store))
            kept.add(identity.fingerprint)

    return keep


def _entry(line: bytes, place: str) -> Entry:
    fields = _parsed(line)
    if fields is not None and fields.get("format", FORMAT) != FORMAT:
        raise ConfigError(f"{place} must be of format {FORMAT}, but another version of chartune wrote it; use that.")
    try:
        if fields is None or fields.pop(CHECKSUM, None) != _checksum(fields):
            raise ValueError
        entry = Entry.model_validate(fields)
    except ValueError:  # a ValidationError is one
        raise ConfigError(
            f"a line of a ledger must be as it was written, but {place} is damaged, or was changed; take it from "
            f"version control, or remove that line, and the cell is done again."
        ) from None
    made = Identity(entry.kind, entry.revision, entry.settings).fingerprint
    if made != entry.fingerprint:
        raise ConfigError(
            f"a fingerprint must be that of its settings, but {place} says {entry.fingerprint[:16]} and its settings "
            f"give {made}; remove that line, and the cell is done again."
        )
    return entry


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A line as a mapping; None: it is none."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _fingerprint(line: bytes) -> Any:
    return (_parsed(line) or {}).get("fingerprint")


def _checksum(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(fields)).hexdigest()[:16]


def _canonical(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
