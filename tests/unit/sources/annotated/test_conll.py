"""Words with tags: every scheme of tags, documents and sentences, splits by name, and files that are refused."""

import gzip
from pathlib import Path

import pytest

from chartune.errors import SchemaError
from chartune.sources.annotated.conll import BLOCK, Conll, spans_of
from chartune.sources.annotated.corpus import DEV_IS_TEST
from chartune.sources.annotated.detect import detect_annotated
from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.testing.downloads import write_loose
from chartune.testing.open_data import open_data

DOCUMENTS = "-DOCSTART-\tO\n\nsevere\tB-A\npain\tI-A\n.\tO\n\nno\tO\nfever\tB-A\n\n-DOCSTART-\tO\n\naspirin\tB-B\n"
MANY = "ok\tO\n" * 60
SENTENCES = "severe\tB-A\npain\tI-A\n\nno\tO\nfever\tB-A\n"


def read(folder: Path, files: dict[str, str | bytes]) -> AnnotatedRecords:
    return Conll(folder=write_loose(folder, files)).load()


def quoted(records: AnnotatedRecords) -> list[tuple[str, str, str]]:
    """Document, quoted words and type of each entity."""
    texts = dict(records.documents.select("doc_id", "text").iter_rows())
    rows = records.entities.select("doc_id", "start", "end", "type").iter_rows()
    return [(doc_id, texts[doc_id][start:end], type_) for doc_id, start, end, type_ in rows]


def test_documents_are_sentences_in_lines_with_offsets_in_that_text(tmp_path: Path) -> None:
    records = read(tmp_path, {"train.conll": DOCUMENTS, "test.conll": SENTENCES})
    train = [text for split, text in records.documents.select("split", "text").iter_rows() if split == "train"]
    assert train == ["severe pain .\nno fever", "aspirin"]
    assert quoted(records) == [
        ("test-000001", "severe pain", "A"), ("test-000002", "fever", "A"),
        ("train-000001", "severe pain", "A"), ("train-000001", "fever", "A"), ("train-000002", "aspirin", "B"),
    ]  # fmt: skip


def test_where_no_document_is_marked_sentences_that_follow_each_other_are_one_patient(tmp_path: Path) -> None:
    many = "".join(f"word{n}\tO\n\n" for n in range(2 * BLOCK + 1))
    records = read(tmp_path, {"train.tsv": many, "test.tsv": SENTENCES})
    patients = [
        patient for split, patient in records.documents.select("split", "patient").iter_rows() if split == "train"
    ]
    assert len(patients) == 2 * BLOCK + 1
    assert [patients.count(patient) for patient in sorted(set(patients))] == [BLOCK, BLOCK, 1]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("B-a I-a O B-a", [(0, 3, True), (6, 7, True)]),
        ("I-a I-a O I-a", [(0, 3, False), (6, 7, False)]),  # IOB1
        ("I-a B-a I-a O", [(0, 1, False), (2, 5, True)]),
        ("B-a I-b O O", [(0, 1, True), (2, 3, False)]),
        ("B-a E-a S-a O", [(0, 3, True), (4, 5, True)]),  # BIOES
        ("B-a L-a U-a U-a", [(0, 3, True), (4, 5, True), (6, 7, True)]),  # BILOU
        ("B-a E-a I-a O", [(0, 3, True), (4, 5, False)]),
        ("O O O O", []),
    ],
)
def test_tags_of_every_scheme_are_read(tags: str, spans: list[tuple[int, int, bool]]) -> None:
    sentence = [("w", tag) for tag in tags.split()]
    assert [(start, end, formed) for start, end, _, formed in spans_of(sentence)] == spans


def test_without_a_test_file_the_development_file_is_it_and_that_is_said(tmp_path: Path) -> None:
    records = read(tmp_path / "a", {"train.tsv": SENTENCES, "devel.tsv.gz": gzip.compress(SENTENCES.encode())})
    assert sorted(set(records.documents["split"])) == ["test", "train"]
    assert any(DEV_IS_TEST in warning for warning in records.warnings())
    whole = read(tmp_path / "b", {"train.tsv": SENTENCES, "valid.tsv": SENTENCES, "test.tsv": SENTENCES})
    assert sorted(set(whole.documents["split"])) == ["test", "train", "validation"]
    assert not any(DEV_IS_TEST in warning for warning in whole.warnings())


def test_a_further_page_is_passed_over_and_said(tmp_path: Path) -> None:
    records = read(tmp_path, {"train.tsv": SENTENCES, "README.txt": "Words of ours.\nRead them.\n"})
    assert records.documents.height == 2
    assert any("no words with tags, passed over" in warning for warning in records.warnings())


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"mine.tsv": SENTENCES}, r"named for its split \(train, dev or test\), but mine.tsv is not"),
        ({"train.tsv": f"{SENTENCES}\n{MANY}SECRET"}, r"but line 67 of train.tsv is none"),
        ({"train.tsv": f"{SENTENCES}\n{MANY}SECRET\tX-A\n"}, r"but line 67 of train.tsv is none"),
        ({"train.tsv.gz": b"SECRET"}, "train.tsv.gz must be in gzip"),
        ({"train.tsv.gz": gzip.compress(SENTENCES.encode())[:-9]}, "must unpack to at most"),
    ],
)
def test_a_file_that_says_too_little_is_refused_by_place_and_never_quoted(
    tmp_path: Path, files: dict[str, str | bytes], said: str
) -> None:
    with pytest.raises(SchemaError, match=said) as refused:
        read(tmp_path, files)
    assert "SECRET" not in str(refused.value)


def test_a_folder_is_known_by_names_and_tags(tmp_path: Path) -> None:
    assert detect_annotated(write_loose(tmp_path / "a", {"train.txt": SENTENCES})) == "conll"
    assert detect_annotated(write_loose(tmp_path / "b", {"train.tsv": "id\ttext\n1\tpain\n"})) is None
    assert detect_annotated(write_loose(tmp_path / "c", {"mine.tsv": SENTENCES})) is None


def test_real_columns_are_read_whole() -> None:
    records = Conll(folder=open_data("bio-ner") / "BC5CDR-IOB").load()
    assert dict(records.documents.group_by("split").len().iter_rows()) == {"train": 4560, "test": 4581}
    assert records.entities.height == 9385 + 9593
    assert sorted(set(records.entities["type"])) == ["Chemical", "Disease"]


@pytest.mark.parametrize(("folder", "title"), [("NCBI-disease", "NCBI-disease"), ("a\nb", "Tagged words of one's own")])
def test_data_of_ones_own_are_called_like_their_folder_where_that_is_one_line(
    tmp_path: Path, folder: str, title: str
) -> None:
    assert Conll(folder=write_loose(tmp_path / folder, {"train.conll": SENTENCES})).about().title == title
