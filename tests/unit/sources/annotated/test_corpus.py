"""What all annotated corpora share: their fields, their name in fingerprints, and what the data card says of them."""

from pathlib import Path
from typing import get_args

import pytest

from chartune.errors import ConfigError
from chartune.sources.annotated.catalog import AnyAnnotated
from chartune.sources.annotated.corpus import OWN, AnnotatedCorpus
from chartune.sources.annotated.i2b2_2014 import I2b2Deid2014
from chartune.testing.downloads import write_loose
from chartune.testing.raw_tables import mark

CORPORA: dict[str, type[AnnotatedCorpus]] = {
    corpus.model_fields["kind"].default: corpus for corpus in get_args(get_args(AnyAnnotated)[0])
}


@pytest.mark.parametrize("kind", CORPORA)
def test_only_the_kind_counts_in_a_fingerprint(tmp_path: Path, kind: str) -> None:
    corpus = CORPORA[kind].parse({"folder": tmp_path, "title": "Ours", "licence": "None"})
    assert not corpus.hashable().keys() & {"folder", "title", "licence"}
    assert corpus.hashable()["kind"] == kind
    assert list(corpus.model_dump())[:4] == ["kind", "folder", "title", "licence"]


@pytest.mark.parametrize("kind", CORPORA)
def test_a_corpus_is_told_as_it_is_published_unless_its_owner_says_otherwise(tmp_path: Path, kind: str) -> None:
    usual = CORPORA[kind].parse({"folder": tmp_path})
    about = usual.about()
    assert (about.kind, about.version, about.title, about.licence) == (
        kind, usual.published.version, usual.published.title if usual.published.version != OWN else tmp_path.name,
        usual.published.licence,
    )  # fmt: skip
    assert CORPORA[kind].parse({"folder": tmp_path, "title": "Ours", "licence": "Mine"}).about().title == "Ours"
    stem = "pqal" if kind == "pubmedqa" else "mli"
    write_loose(tmp_path, {f"{stem}_train_v1{usual.endings[0]}": "x"})
    mark(tmp_path, "Invented")
    assert (usual.about().version, usual.about().title, usual.about().licence) == ("made-up", "Invented", "CC0 1.0")
    write_loose(tmp_path, {f"{stem}_test_v1{usual.endings[0]}": "of somebody else"})
    assert usual.about().version == usual.published.version


def test_published_facts_cannot_be_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="endings: not a field"):
        I2b2Deid2014.parse({"folder": tmp_path, "endings": [".txt"]})
