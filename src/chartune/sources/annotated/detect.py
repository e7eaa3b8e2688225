"""Detection: which annotated corpus a path holds, by names of files; of XML by the first element, of brat by types.

Standoff annotations are those of n2c2 2018 where every file has a number for its name and no type but the published
ones; words with tags and pairs of texts are a corpus where files are named for their splits.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from chartune.errors import DataError, SchemaError
from chartune.sources.annotated import conll, i2b2_2012, i2b2_2014, mednli, n2c2_2018, pair_tables, pubmedqa
from chartune.sources.annotated.archives import Member, RawFile, archive_members, is_archive, members, raw_files
from chartune.sources.annotated.corpus import named_split
from chartune.sources.kinds import CorpusKind

_TABLES: Final = tuple(ending for ending in pair_tables.PairTables.endings if ending != ".parquet")
_ENDINGS: Final = tuple(
    dict.fromkeys((".con", ".ann", ".xml", ".jsonl", *pubmedqa.PubMedQa.endings, *conll.ENDINGS, *_TABLES))
)
_ROOTS: Final[dict[str, CorpusKind]] = {i2b2_2012.ROOT: "i2b2_2012", i2b2_2014.ROOT: "i2b2_2014"}
_TYPES: Final = re.compile(rb"^T\S+\t(\S+) ", re.MULTILINE)
_FIRST: Final = re.compile(rb"<([A-Za-z]\w*)")


def detect_annotated(path: Path) -> CorpusKind | None:
    """The kind of the corpus in a folder or archive; None: it holds none that is read here.

    Raises:
        DataError: the path holds several corpora.
        SchemaError: the path itself is an archive, and it is damaged or hostile.
    """
    with closing(_members(path)) as every:
        kinds = {kind for member in every if (kind := _kind(member)) is not None}
    if kinds == {"brat", "n2c2_2018"}:
        return "brat"
    if len(kinds) > 1:
        raise DataError(
            f"a path must hold one corpus, but {path} holds {' and '.join(sorted(kinds))}; give the folder of one of "
            f"them, or say which with --source."
        )
    return kinds.pop() if kinds else None


def _members(path: Path) -> Generator[Member, None, None]:
    """Members worth a look; of XML files one per folder."""
    seen: set[str] = set()
    for member in _all(path):
        folder, _, name = member.path.rpartition("/")
        look = not name.lower().endswith(".xml") or folder not in seen
        seen.add(folder)
        if look:
            yield member


def _all(path: Path) -> Iterator[Member]:
    if is_archive(path):
        yield from members(path, _ENDINGS)
        return
    if path.is_file():
        yield from [Member(path.name, path.read_bytes)] if path.name.lower().endswith(_TABLES) else []
        return
    try:
        files = raw_files(path, _ENDINGS)
    except SchemaError:  # no folder, none of these files, or far too many: no corpus
        return
    for inner, file in files.items():
        if not is_archive(file):
            yield Member(inner, file.read_bytes)
            continue
        try:
            for member in archive_members(file):
                yield Member(f"{inner}/{member.path}", member.read)
        except SchemaError:  # an archive of something else; a reader that is asked for it will say what is wrong
            continue


def _kind(member: Member) -> CorpusKind | None:
    name = member.path.rpartition("/")[2].lower()
    if mednli.FILE.fullmatch(name):
        return "mednli"
    if name.endswith(".con"):
        return "i2b2_2010"
    if name.endswith(".ann"):
        types = {kind.decode(errors="replace") for kind in _TYPES.findall(member.read())}
        return "n2c2_2018" if name[:-4].isdigit() and types <= n2c2_2018.TYPES else "brat"
    if pubmedqa.FILE.fullmatch(name):
        return "pubmedqa"
    if name.endswith((*conll.ENDINGS, *_TABLES)):
        return _of_rows(name, member) if named_split(name) else None
    if not name.endswith(".xml"):
        return None
    first = _FIRST.search(member.read()[:4096])
    return _ROOTS.get(first[1].decode(errors="replace")) if first else None


def _of_rows(name: str, member: Member) -> CorpusKind | None:
    """Whether a file holds words with tags, or pairs of texts; one that cannot be unpacked holds neither."""
    try:
        content = conll.unpacked(RawFile(member.path, member.read()))
    except SchemaError:
        return None
    if name.endswith(conll.ENDINGS) and conll.looks_tagged(content):
        return "conll"
    return "pairs" if name.endswith(_TABLES) and pair_tables.looks_paired(content) else None
