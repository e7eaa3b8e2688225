"""Config: closed, typed, and its own shadow in YAML."""

from pathlib import Path
from typing import Annotated, Literal, Self

import pytest
from pydantic import Field, field_validator, model_validator

from chartune.config import Config, Unhashed, fingerprint, override
from chartune.errors import ConfigError
from chartune.quantities import Duration, Fraction
from chartune.stages.pretrain import Pretrain


class Small(Config):
    kind: Literal["small"] = "small"
    rank: int = Field(8, gt=0)
    """A rank."""


class Large(Config):
    kind: Literal["large"] = "large"
    width: int = 3


class Whole(Config):
    method: Annotated[Small | Large, Field(discriminator="kind")] = Small()
    layers: tuple[Small, ...] = ()
    place: Annotated[Path, Unhashed()] = Path()
    name: str = "x"


def test_read_is_the_inverse_of_write(tmp_path: Path) -> None:
    config = Whole(method=Large(width=5), layers=(Small(rank=2),), place=tmp_path, name="ümlaut: 'quoted'")
    config.write(tmp_path / "x.yaml")
    assert Whole.read(tmp_path / "x.yaml") == config


def test_a_typo_is_answered_with_its_path_and_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"\nmethod\.rnak: not a field, got 16\. Did you mean `rank`\?"):
        Whole.parse({"method": {"kind": "small", "rnak": 16}})
    with pytest.raises(ConfigError, match=r"layers\.0\.rnak: not a field, got 16\. Did you mean `rank`\?"):
        Whole.parse({"layers": [{"rnak": 16}]})
    with pytest.raises(ConfigError, match=r"nmae: not a field, got 1\. Did you mean `name`\?"):
        Whole.parse({"nmae": 1})


def test_a_field_of_another_method_is_not_recommended() -> None:
    asked = {"data": {"source": {"kind": "mimic3", "folder": "x"}}, "backbone": {"name": "x"}}
    with pytest.raises(ConfigError) as caught:
        Pretrain.parse({**asked, "method": {"kind": "adalora", "rank": 8}})
    assert "method.rank: not a field, got 8." in str(caught.value)
    assert "`rank`" not in str(caught.value)


class Named(Config):
    kind: Literal["labels"] = "labels"
    rows: int = 1


class Filed(Config):
    kind: Literal["filed"] = "filed"
    labels: Small = Small()


class Asked(Config):
    tasks: tuple[Annotated[Named | Filed, Field(discriminator="kind")], ...]


def test_the_path_is_what_was_typed_where_a_kind_has_the_name_of_a_field() -> None:
    with pytest.raises(ConfigError, match=r"\ntasks\.0\.rwos: not a field, got 2\. Did you mean `rows`\?"):
        Asked.parse({"tasks": [{"kind": "labels", "rwos": 2}]})
    with pytest.raises(ConfigError, match=r"\ntasks\.0\.labels\.rnak: not a field, got 2\. Did you mean `rank`\?"):
        Asked.parse({"tasks": [{"kind": "filed", "labels": {"rnak": 2}}]})


def test_a_value_out_of_range_is_named_with_its_law() -> None:
    with pytest.raises(ConfigError, match=r"\nmethod\.rank: Input should be greater than 0, got -1"):
        Whole.parse({"method": {"rank": -1, "kind": "small"}}, "x.yaml")


class Judged(Config):
    low: int = 0
    high: int = 1
    text: str

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high must not be below low, but is {self.high}")
        return self

    @field_validator("text")
    @classmethod
    def _short(cls, text: str) -> str:
        if len(text) > 3:
            raise ValueError("a text must be short")
        return text


class Above(Config):
    judged: Judged


def test_the_law_of_a_whole_config_is_told_without_repeating_the_config() -> None:
    with pytest.raises(ConfigError) as caught:
        Judged.parse({"high": -1, "text": "x"})
    assert str(caught.value) == "not a Judged:\nthe config: high must not be below low, but is -1."
    with pytest.raises(ConfigError) as caught:
        Above.parse({"judged": {"high": -1, "text": "x"}})
    assert str(caught.value) == "not a Above:\njudged: high must not be below low, but is -1."


def test_the_law_of_a_field_is_told_with_its_value_and_a_missing_one_without() -> None:
    with pytest.raises(ConfigError, match=r"\ntext: a text must be short, got 'long'\.$"):
        Judged.parse({"text": "long"})
    with pytest.raises(ConfigError, match=r"\ntext: must be given\.$"):
        Judged.parse({"high": 2})


def test_a_kind_that_is_none_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"method: `kind` must be one of small, large, but got 'foo'\.$"):
        Whole.parse({"method": {"kind": "foo"}})


def test_setting_a_kind_drops_the_other_kinds_fields() -> None:
    data = override({"method": {"kind": "small", "rank": 4}}, ["method.kind=large", "method.width=7"])
    assert Whole.parse(data).method == Large(width=7)


def test_a_partial_mapping_keeps_the_other_fields_at_the_default_of_its_place() -> None:
    class Outer(Config):
        inner: Whole = Whole(name="mine", method=Small(rank=5))

    assert Outer.parse({"inner": {"method": {"rank": 6}}}).inner == Whole(name="mine", method=Small(rank=6))
    assert Outer.parse({"inner": {"method": {"kind": "large"}}}).inner == Whole(name="mine", method=Large())


def test_the_kind_of_a_place_is_what_the_data_say_or_else_its_default() -> None:
    class Outer(Config):
        inner: Whole = Whole(method=Large())
        layers: tuple[Annotated[Small | Large, Field(discriminator="kind")], ...] = (Small(), Large())

    assert Outer.kind_at({}, ["inner", "method"]) == "large"
    assert Outer.kind_at({"inner": {"method": {"kind": "small"}}}, ["inner", "method"]) == "small"
    assert Outer.kind_at({}, ["layers", "1"]) == "large"
    assert Outer.kind_at({"layers": [{"kind": "large"}]}, ["layers", "0"]) == "large"
    assert Outer.kind_at({}, ["layers", "7"]) is None
    assert Outer.kind_at({}, ["nosuch", "method"]) is None


def test_overrides_reach_into_lists() -> None:
    assert override({"layers": [{"rank": 1}, {"rank": 2}]}, ["layers.1.rank=9"])["layers"] == [{"rank": 1}, {"rank": 9}]


@pytest.mark.parametrize("wrong", ["rank", "=3", "layers.7.rank=1", "name.deeper.rank=1"])
def test_an_override_that_leads_nowhere_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError):
        override({"layers": [], "name": "x"}, [wrong])


def test_where_and_how_fast_stay_out_of_the_fingerprint() -> None:
    here, there = Whole(place=Path("/here")), Whole(place=Path("/there"))
    assert fingerprint("k", 1, here.hashable()) == fingerprint("k", 1, there.hashable())
    assert fingerprint("k", 1, here.hashable()) != fingerprint("k", 2, here.hashable())
    assert fingerprint("k", 1, here.hashable()) != fingerprint("k", 1, Whole(name="y").hashable())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a: [1", "plain YAML, but it is not at line"), ("- 1", "must hold a YAML mapping"),
     ("a: !!python/object/apply:os.system ['true']", "plain YAML")],
)  # fmt: skip
def test_a_file_that_is_not_plain_yaml_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError, match=expected):
        Whole.read(tmp_path / "x.yaml")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not"):
        Whole.read(tmp_path / "none.yaml")


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Whole().name = "z"  # type: ignore[misc]


class Numbers(Config):
    seed: int = Field(0, ge=0)
    size: int | None = None
    rate: float = Field(1e-3, gt=0)
    weight: float | None = None
    share: Fraction = 0.5
    duration: Duration = Duration.epochs(1)


@pytest.mark.parametrize("field", ["rate", "weight", "share", "duration.value"])
@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
def test_every_number_is_finite(field: str, value: str) -> None:
    with pytest.raises(ConfigError, match=field.partition(".")[0]):
        Numbers.parse(override(Numbers().model_dump(mode="json"), [f"{field}={value}"]))


@pytest.mark.parametrize("field", ["seed", "size"])
def test_every_whole_number_has_64_bits(field: str) -> None:
    assert getattr(Numbers.parse({field: 2**63 - 1}), field) == 2**63 - 1
    with pytest.raises(ConfigError, match=f"`{field}` must be a whole number of 64 bits"):
        Numbers.parse({field: 2**63})
    with pytest.raises(ConfigError, match=field):
        Numbers.parse({field: -(2**63) - 1})
    with pytest.raises(ConfigError, match=field):
        Numbers.parse({field: 10**5000})
