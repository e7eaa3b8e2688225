"""Published base models by name: from the local cache or a folder, with licence and exposure, and planned without."""

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoConfig

from chartune.errors import AdapterError, ConfigError
from chartune.models.architecture import shape_of
from chartune.models.backbone import Backbone, find_backbone, sizes_alone, standing_here
from chartune.models.catalog import Row, catalog
from chartune.models.exposure import circular
from chartune.models.load import load_body, parameters_of
from chartune.store import Store
from chartune.testing.command_line import chartune
from chartune.testing.twins import EXACT, twin

PUBLISHED = [row for row in catalog.values() if row.origin == "hub"]
KIND = {"clinical-modernbert": "modernbert"}
"""Architecture of a row whose config.json is not known."""


def kind_of(row: Row) -> str:
    base = sizes_alone(Backbone(name=row.name))
    return KIND[row.name] if base is None else base.family.model_type


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached(cache: Path, hub: str, folder: Path) -> Path:
    """A model as the hub's client leaves it in its cache."""
    place = cache / f"models--{hub.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    return Path(shutil.copytree(folder, place / "snapshots" / ("0" * 40)))


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.name, marks=[] if row.name in ("gatortron", "umlsbert") else pytest.mark.slow)
     for row in PUBLISHED],
)  # fmt: skip
def test_a_published_base_is_taken_from_the_cache_or_a_folder_by_its_name(
    cache: Path, store: Store, twins: Path, tmp_path: Path, row: Row
) -> None:
    with pytest.raises(ConfigError, match=f"weights of `{row.name}` must be on this machine.*import-backbone"):
        find_backbone(Backbone(name=row.name), store)
    assert standing_here(row, store) == (False, "")
    source = twin(twins, kind_of(row)).folder
    copy = Path(shutil.copytree(source, tmp_path / (row.hub or row.name).rpartition("/")[2]))
    names = [str(copy)]
    if row.hub:
        cached(cache, row.hub, source)
        names += [row.name, row.hub]
        assert standing_here(row, store) == (True, "")
        assert sizes_alone(Backbone(name=row.name)) is None  # what is here is planned with as it is
    for name in names:
        base = find_backbone(Backbone(name=name), store)
        assert base is not None
        assert (base.licence, base.exposure) == (row.licence, row.exposure.text)
        assert load_body(base, EXACT).hidden_size == 32


@pytest.mark.parametrize(("name", "parameters"), [
    ("bluebert", 108_891_648), ("bio-clinicalbert", 107_719_680), ("umlsbert", 107_719_680),
    ("core-clinical", 107_719_680), ("bioclinical-modernbert", 149_014_272), ("gatortron", 354_217_984),
    pytest.param("clinical-longformer", 148_068_864, marks=pytest.mark.slow), ("llama-7b", 6_607_343_616),
])  # fmt: skip
def test_a_base_is_planned_with_its_published_sizes(cache: Path, name: str, parameters: int) -> None:
    base = sizes_alone(Backbone(name=name))
    assert base is not None
    assert base.max_positions == catalog[name].tokens
    shape = shape_of(base)
    assert isinstance(shape, type(AutoConfig.for_model(base.family.model_type)))
    pooler = shape.hidden_size**2 + shape.hidden_size if base.family.pooler else 0
    assert parameters_of(base) - pooler == parameters


def test_pickled_weights_in_the_cache_are_refused_with_the_way_out(cache: Path, store: Store, twins: Path) -> None:
    folder = cached(cache, "emilyalsentzer/Bio_ClinicalBERT", twin(twins, "bert").folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(AdapterError, match="chartune import-backbone"):
        find_backbone(Backbone(name="bio-clinicalbert"), store)
    said = json.loads(chartune("bases", "--json", "--store", store.root).out)["bases"]
    listed = {row["name"]: row for row in said}["bio-clinicalbert"]
    assert not listed["here"]
    assert f"chartune import-backbone {folder}" in listed["problem"]
    assert "in the local cache, but not to be read" in chartune("bases", "--store", store.root).out
    assert sizes_alone(Backbone(name="bio-clinicalbert")) is not None  # a plan needs no more than its sizes


def test_a_folder_of_another_name_states_no_licence(store: Store, twins: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(twin(twins, "bert").folder, tmp_path / "core"))
    base = find_backbone(Backbone(name=str(folder)), store)
    assert base is not None
    assert base.licence == "see its folder"


def test_bases_are_listed_with_what_they_have_read(cache: Path, tmp_path: Path) -> None:
    said = chartune("bases", "--store", tmp_path / "store")
    assert (said.code, said.out.count("\n\n")) == (0, len(catalog) - 1)
    rows = {
        row["name"]: row for row in json.loads(chartune("bases", "--json", "--store", tmp_path / "store").out)["bases"]
    }
    assert rows.keys() == catalog.keys()
    circular_on_mimic = {name for name, row in rows.items() if row["circular_on_mimic"]}
    assert circular_on_mimic == {
        "bluebert", "umlsbert", "bio-clinicalbert", "core-clinical", "bioclinical-modernbert", "clinical-modernbert",
        "gatortron", "clinical-longformer", "tiny-clinicalbert", "clinical-mobilebert", "clinical-distilbert",
    }  # fmt: skip
    assert not rows["gatortron"]["here"]
    assert "hf download UFNLP/gatortron-base; can be planned with" in said.out
    assert said.out.count("circular") == len(circular_on_mimic)


def test_a_base_that_has_read_mimic_is_circular_on_it_alone() -> None:
    known = {"_name_or_path": "emilyalsentzer/Bio_ClinicalBERT"}
    assert "Alsentzer" in str(circular("copy", known, "mimic3", made_up=False))
    assert circular("copy", known, "mimic3", made_up=True) is None
    assert circular("copy", known, "tabular", made_up=False) is None
    assert circular("minilm", {}, "mimic3", made_up=False) is None
