"""Bad input: the documented exit code, one paragraph that names the place and the way out, nothing half-written."""

import errno
import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.store import write_bytes, write_json
from chartune.testing.chain import steps
from chartune.testing.command_line import Completed, chartune
from chartune.testing.raw_tables import RawHospital
from chartune.testing.twins import make_twin

QUICK = steps(2, "max_seq_len=16", "held_out_blocks=1", "validation_blocks=1")
TRAIN = steps(2, "max_seq_len=16")
TOY = ("--base", "small-llama")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw tables of sixty stays, every fourth of which ended in death."""
    raw = RawHospital()
    for subject_id in range(1, 61):
        raw.stay(subject_id, died=int(subject_id % 4 == 0))
    return raw.write(tmp_path_factory.mktemp("small") / "raw")


@pytest.fixture
def raw(small: Path, tmp_path: Path) -> Path:
    """A copy of the tables that a test may spoil."""
    return shutil.copytree(small, tmp_path / "raw")


def half_written(store: Path) -> list[str]:
    """Whatever stands on the shelves of a store that is not finished."""
    shelves = [p for name in ("data", "tokens", "runs", "backbones") for p in (store / name).glob("*")]
    return [p.name for p in shelves if not (p / "manifest.json").is_file()]


def refused(said: Completed, code: int, *parts: str) -> None:
    assert said.code == code, said.err
    assert said.out == ""
    assert "Traceback" not in said.err
    for words in parts:
        assert words in said.err, said.err


def rewritten(file: Path, old: str, new: str) -> None:
    text = gzip.decompress(file.read_bytes()).decode()
    assert old in text
    file.write_bytes(gzip.compress(text.replace(old, new, 1).encode()))


@pytest.mark.parametrize("table", ["PATIENTS", "ADMISSIONS", "NOTEEVENTS"])
def test_a_missing_table_is_named(raw: Path, tmp_path: Path, table: str) -> None:
    (raw / f"{table}.csv.gz").unlink()
    refused(chartune("prepare", raw, "--store", tmp_path / "store"), 3, "SchemaError", table, str(raw))
    assert half_written(tmp_path / "store") == []


@pytest.mark.parametrize(
    ("table", "column"), [("ADMISSIONS", "HOSPITAL_EXPIRE_FLAG"), ("PATIENTS", "DOB"), ("NOTEEVENTS", "CATEGORY")]
)
def test_a_missing_column_is_named_with_its_table(raw: Path, tmp_path: Path, table: str, column: str) -> None:
    rewritten(raw / f"{table}.csv.gz", column, "SOMETHING_ELSE")
    refused(chartune("prepare", raw, "--store", tmp_path / "store"), 3, "SchemaError", f"{table}.csv.gz", column)
    assert half_written(tmp_path / "store") == []


@pytest.mark.parametrize("verb", ["prepare", "pretrain", "finetune"])
def test_a_table_that_was_cut_off_is_named_by_every_verb_that_reads_it(raw: Path, tmp_path: Path, verb: str) -> None:
    file = raw / "NOTEEVENTS.csv.gz"
    file.write_bytes(file.read_bytes()[:-200])
    words = [verb, raw, *([] if verb == "prepare" else TOY), "--store", tmp_path / "store"]
    refused(chartune(*words), 3, "SchemaError", "NOTEEVENTS.csv.gz")
    assert half_written(tmp_path / "store") == []


@pytest.mark.parametrize("kind", ["absent", "a file", "empty"])
def test_a_wrong_folder_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "elsewhere"
    if kind == "a file":
        folder.write_text("x")
    if kind == "empty":
        folder.mkdir()
    refused(chartune("prepare", folder, "--store", tmp_path / "store"), 3, "SchemaError", str(folder))
    assert half_written(tmp_path / "store") == []


def test_a_folder_must_be_given(tmp_path: Path) -> None:
    refused(chartune("finetune", "--store", tmp_path / "store"), 2, "give the folder of the raw files, or --config")


@pytest.mark.parametrize(
    ("verb", "assignment", "expected"),
    [
        ("finetune", "optimisation.learning_rat=1e-3", "Did you mean `learning_rate`?"),
        ("finetune", "stack.layers.0.method.rnak=4", "Did you mean `rank`?"),
        ("finetune", "max_seq_len=none", "max_seq_len"),
        ("finetune", "optimisation.batch_size=0", "optimisation.batch_size"),
        ("finetune", "optimisation.batch_size", "path=value"),
        ("pretrain", "method.kind=lorra", "method"),
        ("pretrain", "mehtod.rank=4", "Did you mean `method`?"),
        ("prepare", "splits.salz=x", "Did you mean `salt`?"),
    ],
)
def test_a_slip_in_set_is_told_with_the_nearest_name(
    small: Path, tmp_path: Path, verb: str, assignment: str, expected: str
) -> None:
    words = [verb, small, *([] if verb == "prepare" else TOY), "--set", assignment, "--store", tmp_path / "store"]
    refused(chartune(*words), 2, "ConfigError", expected)
    assert half_written(tmp_path / "store") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: finetune\nsede: 3\n", "Did you mean `seed`?"),
        ("kind: finetune\nseed: [1\n", "must be plain YAML"),
        ("kind: finetune\nseed: !!python/object/apply:os.getpid []\n", "must be plain YAML"),
        ("- kind: finetune\n", "must hold a YAML mapping"),
        ("kind: pretrain\n", "use `chartune pretrain`"),
        ("kind: finetune\nseed: -1\n", "seed"),
    ],
)
def test_a_slip_in_a_config_file_is_told_with_its_path(small: Path, tmp_path: Path, text: str, expected: str) -> None:
    config = tmp_path / "stage.yaml"
    config.write_text(text)
    said = chartune("finetune", small, *TOY, "--config", config, "--store", tmp_path / "store")
    refused(said, 2, "ConfigError", str(config), expected)
    assert half_written(tmp_path / "store") == []


def test_a_config_file_that_is_not_there_is_named(small: Path, tmp_path: Path) -> None:
    said = chartune("finetune", small, "--config", tmp_path / "none.yaml", "--store", tmp_path / "store")
    refused(said, 2, "ConfigError", str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("verb", ["prepare", "pretrain", "finetune", "report", "check"])
def test_a_store_that_cannot_be_made_is_named(small: Path, tmp_path: Path, verb: str) -> None:
    (tmp_path / "in the way").write_text("I was here first.")
    base = ("--base", "small-llama") if verb in ("pretrain", "finetune") else ()
    data = () if verb in ("report", "check") else (small,)
    said = chartune(verb, *data, *base, "--store", tmp_path / "in the way" / "store")
    refused(said, 7, "StoreError", "in the way", "--store")
    assert (tmp_path / "in the way").read_text() == "I was here first."


def full_after(files: int, write: Callable[..., None]) -> Callable[..., None]:
    """A disk that takes so many files more."""
    written = iter(range(files))

    def try_to(path: Path, *content: object) -> None:
        if next(written, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, *content)

    return try_to


def test_a_full_disk_in_preparation_is_told_and_leaves_nothing(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["prepare", small, "--store", tmp_path / "store"]
    with monkeypatch.context() as patched:
        patched.setattr("chartune.tasks.prepared.write_json", full_after(0, write_json))
        refused(chartune(*words), 7, "StoreError", "No space left on device", "free some space")
    assert half_written(tmp_path / "store") == []
    assert chartune(*words).code == 0


@pytest.mark.parametrize(("files", "kept"), [(0, 0), (4, 1)], ids=["first checkpoint", "second checkpoint"])
@pytest.mark.parametrize("verb", ["pretrain", "finetune"])
def test_a_full_disk_in_training_is_told_and_leaves_whole_checkpoints_to_go_on_from(
    small: Path, llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, files: int, kept: int
) -> None:
    store = tmp_path / "store"
    words = [verb, small, "--base", llama.folder, *(QUICK if verb == "pretrain" else TRAIN), "--store", store]
    with monkeypatch.context() as patched:
        patched.setattr("chartune.models.weights.write_bytes", full_after(files, write_bytes))
        refused(chartune(*words), 7, "StoreError", "No space left on device", "free some space")
    assert len(half_written(store)) == kept
    assert len(list(store.glob("runs/*.partial/checkpoints/*"))) == kept
    again = chartune(*words, "--json")
    assert again.code == 0, again.err
    assert Run(Path(json.loads(again.out)["folder"])).about.resumed == kept
    assert half_written(store) == []


@pytest.mark.parametrize(
    ("lacking", "expected"), [("tokenizer", "needs its tokenizer"), ("model.safetensors", "must be *.safetensors")]
)
def test_a_base_folder_that_lacks_something_is_refused(
    small: Path, llama: LocalBackbone, tmp_path: Path, lacking: str, expected: str
) -> None:
    base = shutil.copytree(llama.folder, tmp_path / "base")
    for file in base.glob(f"{lacking}*"):
        file.unlink()
    refused(
        chartune("finetune", small, "--base", base, "--store", tmp_path / "store"),
        4,
        "AdapterError",
        expected,
        str(base),
    )
    assert list((tmp_path / "store").glob("runs/*")) == []


def test_a_base_that_asks_for_foreign_code_is_refused(small: Path, llama: LocalBackbone, tmp_path: Path) -> None:
    base = shutil.copytree(llama.folder, tmp_path / "base")
    config = base / "config.json"
    config.write_text(config.read_text().replace("{", '{"auto_map": {"AutoModel": "evil.Evil"},', 1))
    said = chartune("finetune", small, "--base", base, "--store", tmp_path / "store")
    refused(said, 4, "AdapterError", "foreign code", "auto_map")


def test_a_base_that_nobody_knows_is_refused_with_the_names_that_there_are(small: Path, tmp_path: Path) -> None:
    said = chartune("finetune", small, "--base", "smal-llama", "--store", tmp_path / "store")
    refused(said, 2, "ConfigError", "smal-llama", "small-llama")


def test_an_encoder_without_its_head_cannot_be_pretrained(small: Path, bert: LocalBackbone, tmp_path: Path) -> None:
    said = chartune("pretrain", small, "--base", bert.folder, "--store", tmp_path / "store")
    refused(said, 4, "AdapterError", "lacks 6 of its weights, the first is cls.predictions.bias")


def test_the_adapter_of_another_base_is_refused(small: Path, llama: LocalBackbone, tmp_path: Path) -> None:
    store = tmp_path / "store"
    made = chartune("pretrain", small, "--base", llama.folder, *QUICK, "--store", store, "--name", "clinical")
    assert made.code == 0, made.err
    other = make_twin("llama", tmp_path / "other", seed=1)
    said = chartune("finetune", small, "--base", other, "--clinical", "clinical", *TRAIN, "--store", store)
    refused(said, 4, "AdapterError", "must be used on the base model that it was trained on", llama.content_hash[:12])
    assert half_written(store) == []
    wrong = chartune("finetune", small, "--base", other, "--clinical", "clinica", *TRAIN, "--store", store)
    refused(wrong, 2, "ConfigError", "'clinica'", "clinical")


@pytest.mark.parametrize("verb", ["show", "report"])
def test_a_run_that_is_not_there_is_refused(tmp_path: Path, verb: str) -> None:
    said = chartune(verb, "nobody", "--store", tmp_path / "store")
    refused(said, 2, "ConfigError", "nobody")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("method", ["tfidf", "lora"])
def test_a_split_with_one_class_is_refused_with_its_counts(llama: LocalBackbone, tmp_path: Path, method: str) -> None:
    hospital = RawHospital()
    for subject_id in range(1, 61):
        hospital.stay(subject_id)  # nobody dies
    words = ["finetune", hospital.write(tmp_path / "raw"), "--method", method, "--store", tmp_path / "store"]
    words += [] if method == "tfidf" else ["--base", llama.folder]
    refused(chartune(*words), 3, "LabelError", "train has 0 positives among", "mortality")
    assert half_written(tmp_path / "store") == []  # nobody can finish such a run


def test_a_task_that_was_not_prepared_is_refused(small: Path, tmp_path: Path) -> None:
    said = chartune("finetune", small, "--method", "tfidf", "--task", "readmission", "--store", tmp_path / "store")
    refused(said, 3, "DataError", "readmission", "mortality")


@pytest.mark.parametrize("data", ["3", "[a, b]", "raw"])
def test_a_study_whose_data_are_no_mapping_is_refused(small: Path, tmp_path: Path, data: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(f"title: t\ndata: {data}\nstages: {{words: {{kind: tfidf}}}}\n")
    for words in ([], [small]):
        said = chartune("study", file, *words, "--store", tmp_path / "store")
        refused(said, 2, "ConfigError", "`data` of", "study.yaml must be a mapping")


def test_a_source_that_nobody_knows_is_refused(small: Path, tmp_path: Path) -> None:
    said = chartune("prepare", small, "--source", "mimic9", "--store", tmp_path / "store")
    refused(said, 2, "--source", "mimic3, mimic4, tabular, i2b2_2010, ", "'mimic9'")


def test_a_hospital_is_not_written_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    refused(chartune("make-hospital", "--out", tmp_path, "--subjects", 5), 2, "ConfigError", "choose another --out")
    assert (tmp_path / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["", " "])
def test_a_store_without_a_name_is_not_the_folder_one_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = chartune("ls", "--store", name)
    assert refused.code == 2
    assert "the store must be a folder" in refused.err
    monkeypatch.setenv("CHARTUNE_STORE", name)
    assert chartune("ls").code == 2
    assert list(tmp_path.iterdir()) == []
    assert chartune("ls", "--store", ".").code == 0


@pytest.mark.parametrize(
    ("out", "law"), [("/dev/null", "give `-` for standard output"), ("folder", "name a file in it")]
)
def test_a_report_into_a_device_or_a_folder_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, law: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    refused = chartune("report", "--out", out, "--store", tmp_path / "store")
    assert refused.code == 2
    assert law in refused.err
    both = chartune("report", "--out", "-", "--json", "--store", tmp_path / "store")
    assert both.code == 2
    assert "ask for both" in both.err
