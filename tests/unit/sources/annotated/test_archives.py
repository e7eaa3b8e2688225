"""Archives as if they were hostile: what leads out, links, bombs and damage are refused, and nothing is unpacked."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from chartune.errors import SchemaError
from chartune.sources.annotated import archives
from chartune.sources.annotated.archives import RATIO, raw_files, read_corpus
from chartune.sources.annotated.detect import detect_annotated
from chartune.testing.downloads import write_loose, write_tar, write_zip

SECRET = "Mrs Canary was seen"


def tar_of(file: Path, name: str, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(file, "w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        info.size = len(SECRET) if kind == tarfile.REGTYPE else 0
        archive.addfile(info, io.BytesIO(SECRET.encode()))
    return file


def zip_of(file: Path, name: str, mode: int = 0o600) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, SECRET)
    return file


def refused(folder: Path) -> str:
    with pytest.raises(SchemaError) as error:
        read_corpus(folder, (".txt",))
    assert SECRET not in str(error.value)
    assert not list(folder.parent.glob("**/*.txt"))
    return str(error.value)


def test_folders_and_archives_give_the_same_members_under_their_virtual_paths(tmp_path: Path) -> None:
    files = {"a/1.txt": "one", "a/2.TXT": "two", "a/3.doc": "three", "a/._1.txt": "mac", "__MACOSX/1.txt": "mac"}
    write_zip(tmp_path / "x" / "z.zip", files)
    write_tar(tmp_path / "x" / "in" / "t.tgz", files)
    write_loose(tmp_path / "x" / "loose", files)
    read = {file.path: file.content for file in read_corpus(tmp_path / "x", (".txt",))}
    assert read == {
        f"{where}/a/{name}": text
        for where in ("z.zip", "in/t.tgz", "loose")
        for name, text in (("1.txt", b"one"), ("2.TXT", b"two"))
    }


def test_an_archive_may_be_given_itself(tmp_path: Path) -> None:
    file = write_tar(tmp_path / "test_data.tar.gz", {"0001.txt": "x"})
    assert [one.path for one in read_corpus(file, (".txt",))] == ["test_data.tar.gz/0001.txt"]


@pytest.mark.parametrize(
    "name", ["../out.txt", "in/../../out.txt", "/tmp/out.txt", "C:\\out.txt", "in\\..\\..\\out.txt"]
)
@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_a_member_that_leads_out_of_its_archive_is_refused(tmp_path: Path, make: object, name: str) -> None:
    file = tar_of(tmp_path / "a.tar.gz", name) if make is tar_of else zip_of(tmp_path / "a.zip", name)
    assert "leads out of it" in refused(file)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_a_tar_is_refused(tmp_path: Path, kind: bytes) -> None:
    assert "is a link" in refused(tar_of(tmp_path / "a.tar.gz", "in.txt", kind))


def test_a_device_in_a_tar_is_refused(tmp_path: Path) -> None:
    assert "a device" in refused(tar_of(tmp_path / "a.tar.gz", "in.txt", tarfile.FIFOTYPE))


def test_a_tar_member_with_holes_that_would_be_filled_with_zeros_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("in.txt")
        info.type = tarfile.GNUTYPE_SPARSE
        archive.addfile(info)
    assert "has holes" in refused(tmp_path / "a.tar.gz")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    assert "is a link" in refused(zip_of(tmp_path / "a.zip", "in.txt", stat.S_IFLNK | 0o777))


def test_an_archive_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    zeros = bytes(8 << 20)
    for file in (
        write_zip(tmp_path / "z" / "a.zip", {"a.txt": zeros}),
        write_tar(tmp_path / "t" / "a.tar.gz", {"a.txt": zeros}),
    ):
        assert RATIO * file.stat().st_size < (8 << 20)
        assert f"{RATIO} times" in refused(file)


def test_a_bomb_hidden_in_a_header_of_a_tar_is_stopped_while_it_unpacks(tmp_path: Path) -> None:
    # A PAX header is read into memory by tarfile itself, before anybody sees a member.
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.txt")
        info.pax_headers = {"comment": "0" * (8 << 20)}
        archive.addfile(info, io.BytesIO(b""))
    assert f"{RATIO} times" in refused(tmp_path / "a.tar.gz")


def test_a_zip_whose_directory_lies_about_a_size_is_refused(tmp_path: Path) -> None:
    file = write_zip(tmp_path / "a.zip", {"a.txt": "x" * 5000})
    content = file.read_bytes()
    size = (5000).to_bytes(4, "little")
    file.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    assert "damaged" in refused(file)


@pytest.mark.parametrize("read", [lambda folder: read_corpus(folder, (".xml",)), detect_annotated])
def test_an_archive_of_which_a_member_is_refused_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]
) -> None:
    opened: list[zipfile.ZipFile] = []

    class Kept(zipfile.ZipFile):
        def __init__(self, file: Path) -> None:
            super().__init__(file)
            opened.append(self)

    file = write_zip(tmp_path / "a.zip", {"a.xml": "x" * 5000})
    size = (5000).to_bytes(4, "little")
    file.write_bytes(file.read_bytes().replace(size, (10).to_bytes(4, "little")))
    monkeypatch.setattr(zipfile, "ZipFile", Kept)
    with pytest.raises(SchemaError) as error:
        read(file)
    assert [archive.fp for archive in opened] == [None], error  # as long as the error is held, so is what reads


@pytest.mark.parametrize(
    ("limit", "value"),
    [("MOST_MEMBERS", 2), ("MOST_BYTES", 1000), ("LARGEST", 300)],
    ids=["members", "whole", "one file"],
)
@pytest.mark.parametrize("packed", [True, False])
def test_what_is_larger_than_a_corpus_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool, limit: str, value: int
) -> None:
    monkeypatch.setattr(archives, limit, value)
    files = {f"{n}.txt": "x" * 400 for n in range(4)}
    write_zip(tmp_path / "z" / "a.zip", files)
    write_tar(tmp_path / "t" / "a.tar.gz", files)
    for file in (tmp_path / "z" / "a.zip", tmp_path / "t" / "a.tar.gz") if packed else ():
        assert "larger" in refused(file)
    if not packed and limit != "MOST_BYTES":
        write_loose(tmp_path / "loose", files)
        with pytest.raises(SchemaError, match=r"has more|is larger"):
            read_corpus(tmp_path / "loose", (".txt",))


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar", "a.tgz"])
@pytest.mark.parametrize("how", ["cut off", "nonsense", "empty"])
def test_a_damaged_archive_is_refused(tmp_path: Path, name: str, how: str) -> None:
    source = write_zip if name.endswith(".zip") else write_tar
    content = source(tmp_path / name, {"a.txt": os.urandom(5000).hex()}).read_bytes()
    if name == "a.tar":
        content = gzip.decompress(content)
    (tmp_path / name).write_bytes({"cut off": content[:2000], "nonsense": b"\1" * 2000, "empty": b""}[how])
    assert "must be whole" in refused(tmp_path / name)


def test_a_zip_with_a_password_is_refused(tmp_path: Path) -> None:
    file = zip_of(tmp_path / "a.zip", "a.txt")
    content = bytearray(file.read_bytes())
    place = content.index(b"PK\1\2")
    content[place + 8] |= 1
    file.write_bytes(content)
    assert "password" in refused(file)


def test_a_folder_without_such_files_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"\*\.txt or archives"):
        raw_files(tmp_path, (".txt",))
    with pytest.raises(SchemaError, match="is neither"):
        raw_files(tmp_path / "gone", (".txt",))
