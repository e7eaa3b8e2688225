"""A sentence that stands in two invented notes must not leave the prepared data, and nothing must leave the machine."""

import json
import os
import re
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from chartune.made_up import CANARY, make_hospital
from chartune.models.backbone import LocalBackbone
from chartune.testing.command_line import chartune

RARE: Final = "zebrafinch-7719-canary"
"""The part of the canary that no other text holds."""
WALK: Final = """
import json, socket, sys
from pathlib import Path

tried = []

def refuse(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        tried.append(str(address))
        raise OSError("no network here")
    return connect(self, address)

def refuse_name(*arguments, **named):
    tried.append(str(arguments[0]))
    raise OSError("no network here")

connect, lookup = socket.socket.connect, socket.getaddrinfo
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse_name

from chartune.testing.chain import walk

said = walk(*map(Path, sys.argv[1:5]))
if len(sys.argv) > 5:  # the guard itself must be seen to work
    for attempt in (lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
                    lambda: socket.socket().connect(("192.0.2.1", 80))):
        try:
            attempt()
        except OSError:
            pass
told = {name: [words.code, words.out, words.err] for name, words in said.items()}
print(json.dumps({"said": told, "tried": tried}))
"""
"""The chain in a process of its own, so that its home and its folder for temporary files can be looked through."""


@dataclass(frozen=True)
class Walked:
    """Everything that a chain leaves behind."""

    place: Path
    said: dict[str, tuple[int, str, str]]
    tried: list[str]
    err: str

    @property
    def store(self) -> Path:
        return self.place / "store"


def walk(raw: Path, base: Path, place: Path, *more: str) -> Walked:
    for name in ("home", "tmp", "work"):
        (place / name).mkdir()
    inherited = {n: v for n, v in os.environ.items() if not n.startswith(("XDG_", "HF_", "MPL", "CHARTUNE_"))}
    ended = subprocess.run(
        [sys.executable, "-c", WALK, raw, base, place / "store", place / "report.html", *more], cwd=place / "work",
        env=inherited | {"HOME": str(place / "home"), "TMPDIR": str(place / "tmp"), "OMP_NUM_THREADS": "1"},
        text=True, capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    said = {name: (code, out, err) for name, (code, out, err) in result["said"].items()}
    return Walked(place, said, result["tried"], ended.stderr)


@pytest.fixture(scope="module")
def walked(hospital: Path, llama: LocalBackbone, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    return walk(hospital, llama.folder, tmp_path_factory.mktemp("canary"), "try the guard")


def holds(file: Path) -> bool:
    """Whether a file holds the canary in any cell or byte, compressed parquet columns included."""
    if file.suffix == ".parquet":
        frame = pl.read_parquet(file)
        texts = [frame[name] for name, dtype in frame.schema.items() if dtype == pl.String]
        return any(bool(column.str.contains(RARE, literal=True).any()) for column in texts)
    content = file.read_bytes()
    return any(RARE.encode(encoding) in content for encoding in ("utf-8", "utf-16-le", "utf-32-le"))


def test_the_canary_is_in_the_data_and_nowhere_else(walked: Walked) -> None:
    assert RARE in CANARY
    assert {name: code for name, (code, _, _) in walked.said.items() if code} == {}
    found = {file.relative_to(walked.place) for file in walked.place.rglob("*") if file.is_file() and holds(file)}
    (data,) = (walked.store / "data").iterdir()
    inside = {
        Path("store/data") / data.name / f"{name}.parquet"
        for name in ("mortality", "length_of_stay", "diagnoses_icd9", "procedures_icd9", "corpus")
    }
    assert found == inside  # both: or the made-up hospital has not hidden it


def test_the_vocabulary_of_tfidf_is_the_only_file_of_a_run_that_holds_words(walked: Walked) -> None:
    words = {word for file in walked.store.glob("data/*/*y.parquet") for text in pl.read_parquet(file)["text"]
             for word in re.findall(r"[a-z]{9,}", text.lower())}  # fmt: skip
    vocabularies = list(walked.store.glob("runs/*/tfidf/vocabulary.json"))
    assert len(vocabularies) == 2  # of whole texts, and of the words that the models read
    learnt = words & set(re.findall(r"[a-z]{9,}", " ".join(file.read_text() for file in vocabularies)))
    assert len(learnt) > 50
    others = [file for file in walked.place.rglob("*") if file.suffix in (".json", ".jsonl", ".csv", ".html", ".md")]
    spoken = " ".join(file.read_text() for file in others if file not in vocabularies)
    own = set(re.findall(r"[a-z]{9,}", spoken.lower()))
    assert len(learnt & own) < len(learnt) / 4  # words of the report's own, such as `admission`


def test_predictions_hold_ids_and_numbers(walked: Walked) -> None:
    scored = {
        "tfidf": pl.read_csv(walked.place / "tfidf.csv"),
        "stacked": pl.read_ndjson(walked.place / "stacked.jsonl"),
    }
    for name, rows in scored.items():
        texts = {column: rows[column].n_unique() for column, dtype in rows.schema.items() if dtype == pl.String}
        assert texts == {"model": 1, "adapter": 1, "recalibration": 1}, name
        assert rows.height > 200
        assert stat.S_IMODE((walked.place / f"{name}.{'csv' if name == 'tfidf' else 'jsonl'}").stat().st_mode) == 0o600


def test_no_verb_says_a_word_of_a_note(walked: Walked) -> None:
    notes = pl.concat([pl.read_parquet(file).select("text") for file in walked.store.glob("data/*/*y.parquet")])
    assert notes.height > 100
    told = [walked.err, *(text for _, *texts in walked.said.values() for text in texts)]
    told += [file.read_text() for file in walked.place.rglob("*") if file.suffix in (".html", ".json", ".yaml")]
    spoken = " ".join(" ".join(told).split())
    assert RARE not in spoken
    for text in notes["text"].head(100):
        _, _, body = re.sub(r"\s+", " ", text).partition("PRESENT ILLNESS: ")
        assert body[:60] not in spoken or not body


def test_no_report_or_listing_holds_the_number_of_a_patient(walked: Walked) -> None:
    predictions = pl.read_parquet(sorted(walked.store.glob("runs/*/predictions.parquet")))
    numbers = {str(n) for column in ("subject_id", "hadm_id") for n in predictions[column]}
    shown = [
        (walked.place / "report.html").read_text(),
        *(text for _, *texts in walked.said.values() for text in texts),
    ]
    shown += [file.read_text() for file in walked.store.rglob("events.jsonl")]
    # Digits of a fraction or of a picture are no numbers of patients, nor are sizes, of which the first digit is shown.
    spoken = re.sub(r'"(?:[a-z]+_)?bytes": \d0*\b', "", " ".join(shown))
    words = set(re.findall(r"(?<![\w.#/+=])\d+(?![\w.])", spoken))
    assert words
    assert words & numbers == set()


def test_tokens_lie_in_the_store_only(walked: Walked) -> None:
    arrays = [file for file in walked.place.rglob("*") if file.suffix in (".npy", ".npz", ".arrow", ".mmap")]
    assert arrays
    assert {file.relative_to(walked.store).parts[0] for file in arrays} == {"tokens", "readings"}


def test_nothing_restricted_can_be_read_by_anybody_else(walked: Walked) -> None:
    shelves = [walked.store / shelf for shelf in ("data", "tokens", "readings", "runs")]
    for folder in (*shelves, walked.place / "report-stacked", walked.place / "report-lora"):
        for path in [folder, *folder.rglob("*")]:
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), f"{path.relative_to(walked.place)}: {mode:o}"
    assert stat.S_IMODE(walked.store.stat().st_mode) == 0o700


def test_the_store_keeps_itself_out_of_repositories(walked: Walked) -> None:
    assert "*" in (walked.store / ".gitignore").read_text().splitlines()


def test_no_connection_is_attempted(walked: Walked) -> None:
    assert walked.tried == ["192.0.2.1", "('192.0.2.1', 80)"]  # those of the guard's own trial


def test_temporary_folders_are_left_empty(walked: Walked) -> None:
    assert [path for path in (walked.place / "tmp").rglob("*") if path.is_file()] == []
    assert list((walked.place / "work").iterdir()) == []


def test_the_canary_is_found_where_it_is(tmp_path: Path) -> None:
    make_hospital(tmp_path / "raw", subjects=60, seed=0)
    for encoding in ("utf-8", "utf-16"):
        (tmp_path / encoding).write_bytes(CANARY.encode(encoding))
        assert holds(tmp_path / encoding)
    pl.DataFrame({"text": ["", CANARY]}).write_parquet(tmp_path / "some.parquet")
    assert holds(tmp_path / "some.parquet")


def own_table(folder: Path) -> Path:
    """Notes with a column of comments about each patient, and one that holds such a comment beside codes."""
    comments = ["ok" if n % 3 else f"{RARE} of Mrs {n % 60}" for n in range(120)]
    beside = [f"I10;E11;{comment}" if n % 2 else "I10" for n, comment in enumerate(comments)]
    file = folder / "own.csv"
    texts = [f"seen in clinic number {n}" for n in range(120)]
    pl.DataFrame({"subject_id": range(120), "text": texts, "comment": comments, "codes": beside}).write_csv(file)
    return file


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["for people", "as JSON"])
def test_comments_given_as_labels_are_refused_without_a_word(tmp_path: Path, as_json: tuple[str, ...]) -> None:
    own, store = own_table(tmp_path), tmp_path / "store"
    verbs = (["prepare", own, "--set", "source.label=comment"],
             ["finetune", own, "--method", "tfidf", "--set", "data.source.label=comment"])  # fmt: skip
    for words in (*verbs, ["datasets"]):
        said = chartune(*words, "--store", store, *as_json)
        assert said.code == (0 if words == ["datasets"] else 3), said.err
        assert RARE not in said.out + said.err
    assert [file for file in store.rglob("*") if file.is_file() and holds(file)] == []


def test_a_comment_among_codes_is_no_label_and_is_not_said(tmp_path: Path) -> None:
    own, store = own_table(tmp_path), ("--store", tmp_path / "store")
    made = chartune("prepare", own, "--set", "source.label=codes", "--set", "source.separator=;", *store, "--json")
    assert made.code == 0, made.err
    told = json.loads(made.out)
    assert told["tasks"]["labels"]["labels"] == ["E11", "I10", "ok"]
    shown = [chartune(verb, told["data"], *more, *store) for verb in ("show", "datasets") for more in ((), ("--json",))]
    assert all(said.code == 0 for said in shown)
    assert not any(RARE in said.out + said.err for said in (made, *shown))
    assert [file for file in (tmp_path / "store").rglob("*") if file.is_file() and holds(file)] == []
