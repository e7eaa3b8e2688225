"""Documents with entities, in which relations are predicted: a folder of brat's files in, the same with relations out.

FOLDER/ward/a.txt, a.ann ─▶ a row for each pair of entities that is asked about, id ward/a:T1:T2 ─score─▶
OUT/ward/a.txt, and a.ann with the lines of the entities as they were, and  R1<TAB>Treats Arg1:T1 Arg2:T2
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar, Final

import polars as pl

from chartune.errors import DataError, SchemaError
from chartune.hashing import Stamp, stamp_of
from chartune.outputs import new_folder
from chartune.prediction.folders import MARKS, TEXT
from chartune.prediction.texts import CHUNK, Chunk, Texts
from chartune.sources.annotated.archives import RawFile
from chartune.sources.annotated.brat import Standoff, read_with_text
from chartune.sources.annotated.documents import Rows
from chartune.sources.annotated.findings import Findings
from chartune.sources.annotated.placing import place
from chartune.sources.facts import changed_meanwhile, content_hash
from chartune.sources.reading import sanitised
from chartune.store import Store, write_bytes
from chartune.tasks.annotated.relations import NO_RELATION, Candidates, candidate_pairs, read_pair

BETWEEN: Final = ":"
"""What parts a document and its two entities in an id."""
_SHOWN: Final = 5


class RelatedTexts(Texts):
    """The pairs of entities that are asked about, of each `.txt` file of a folder and the `.ann` beside it."""

    otherwise: ClassVar[str] = f"give documents ({TEXT}, {MARKS}) with entities of the types that the run relates"

    def __init__(self, folder: Path, candidates: Candidates) -> None:
        """Look which files there are. Raises SchemaError: there is none, or a text has no annotations."""
        self.folder, self._candidates = folder, candidates
        texts = sorted(file for file in folder.rglob(f"*{TEXT}") if file.is_file())
        if not texts:
            raise SchemaError(f"a folder of documents must hold {TEXT} files, but {folder} holds none; name another.")
        bare = [file.name for file in texts if not file.with_suffix(MARKS).is_file()]
        if bare:
            raise SchemaError(
                f"relations are predicted between entities that are given, so that each text must have an {MARKS} file "
                f"beside it, but {len(bare)} have none ({', '.join(bare[:_SHOWN])}); add them, or predict spans first."
            )
        self._files = {file.relative_to(folder).as_posix().removesuffix(TEXT): file for file in texts}
        self._stamps = self._stamped()

    def digest(self, store: Store) -> str:
        """Of paths, bytes and candidates."""
        known = [(name, *map(content_hash, _both(file))) for name, file in self._files.items()]
        return hashlib.sha256(repr((known, self._candidates)).encode()).hexdigest()

    def must_be_unchanged(self) -> None:
        """By size, times and inode of each file."""
        if self._stamped() != self._stamps:
            raise SchemaError(changed_meanwhile(self.folder.name))

    def chunks(self) -> Iterator[Chunk]:
        """A row for each pair. Raises DataError: an entity does not stand where its offsets say."""
        rows, first = self._rows(), 1
        while some := list(islice(rows, CHUNK)):
            ids, texts = zip(*some, strict=True)
            yield Chunk(first, pl.Series("id", ids, dtype=pl.String), pl.Series("text", texts, dtype=pl.String))
            first += len(some)

    def documents(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Name, text and annotations of each, as they lie there."""
        for name, file in self._files.items():
            text, marks = (sanitised(each, each.read_bytes) for each in _both(file))
            yield name, text, marks

    def _rows(self) -> Iterator[tuple[str, str]]:
        for name, text, marks in self.documents():
            findings, rows = Findings(), Rows()
            files = {TEXT: RawFile(f"{name}{TEXT}", text), MARKS: RawFile(f"{name}{MARKS}", marks)}
            whole, standoff = read_with_text(name, files, findings)
            _place_all(name, whole, standoff, rows, findings)
            named = ({"entity_id": entity[1], "type": entity[3], "start": entity[4], "end": entity[5]}
                     for entity in rows.entities)  # fmt: skip
            for pair in candidate_pairs(whole, named, self._candidates):
                yield BETWEEN.join((name, pair.head.id, pair.tail.id)), read_pair(pair, self._candidates.entities)

    def _stamped(self) -> list[Stamp]:
        every = (each for file in self._files.values() for each in _both(file))
        return [sanitised(each, partial(stamp_of, each)) for each in every]


def write_relations(frames: Iterable[pl.DataFrame], texts: RelatedTexts, out: Path, store: Store) -> None:
    """Write a folder with each document, its entities, and the relations that were predicted between them.

    Args:
        frames: id, label of the chunks of `texts`.
        texts: the documents.
        out: the folder; it must not exist or be empty. It quotes the documents.
        store: lists the folder while it is written.

    Raises:
        ConfigError: the folder cannot be taken.
        StoreError: there is no room.
    """
    related: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for frame in frames:
        for id_, label in frame.select("id", "label").filter(pl.col("label") != NO_RELATION).iter_rows():
            name, head, tail = id_.rsplit(BETWEEN, 2)
            related[name].append((head, tail, label))
    with new_folder(out, "--out", store.root) as folder:
        for name, text, marks in texts.documents():
            place_ = folder / f"{name}{TEXT}"
            place_.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_bytes(place_, text)
            write_bytes(place_.with_suffix(MARKS), with_relations(marks, related[name]))


def with_relations(marks: bytes, relations: Iterable[tuple[str, str, str]]) -> bytes:
    """An `.ann` file with these relations (head, tail, type) in place of those that it had."""
    kept = [line for line in marks.decode("utf-8-sig", "replace").splitlines() if not line.startswith("R")]
    added = [f"R{n}\t{type_} Arg1:{head} Arg2:{tail}" for n, (head, tail, type_) in enumerate(relations, start=1)]
    return "".join(f"{line}\n" for line in [*kept, *added]).encode()


def _both(file: Path) -> tuple[Path, Path]:
    return file, file.with_suffix(MARKS)


def _place_all(name: str, text: str, standoff: Standoff, rows: Rows, findings: Findings) -> None:
    """Add all entities of a document. Raises DataError: one has no place in it, or a line is none."""
    known = frozenset(entity.type for entity in standoff.entities)
    place(name, text, standoff.entities, known, rows, findings)
    lost: Mapping[str, int] = {finding.reason: finding.count for finding in findings.all() if finding.left_out}
    if lost:
        why = "; ".join(f"{count} × {reason}" for reason, count in lost.items())
        raise DataError(
            f"every entity must stand in its document where its offsets say, but in {name}{MARKS} {sum(lost.values())} "
            f"cannot be used ({why}); correct them."
        )
