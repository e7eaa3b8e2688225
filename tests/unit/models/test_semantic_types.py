"""UmlsBERT: its embeddings of semantic types are read, said to be left out, or refused; never dropped unsaid."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertModel

from chartune.errors import AdapterError
from chartune.models.backbone import LocalBackbone, inspect
from chartune.models.load import load_body, save_model
from chartune.models.semantic_types import TENSOR, VOCABULARY, has_types, vocabulary_of
from chartune.models.tokenizer import load_tokenizer
from chartune.models.typed_embedding import GROUPS, groups_of
from chartune.stages.facts import backbone_facts
from chartune.testing.twins import EXACT, twin

WORDS = {"Ġchest": "ANAT", "Ġpain": "DISO", "Ġfever": "DISO"}
"""Tokens of the twins' tokenizer, and their groups."""


def look(folder: Path) -> LocalBackbone:
    return inspect(folder, name="tiny-umlsbert", licence="none", exposure="none")


@pytest.fixture(params=[pytest.param("", marks=pytest.mark.slow), "bert."])
def umls(twins: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A twin of BERT with embeddings of types, saved with and without a head, and no vocabulary."""
    source = twin(twins, "bert", masked=bool(request.param)).folder
    folder = Path(shutil.copytree(source, tmp_path / "umlsbert"))
    tensors = load_file(folder / "model.safetensors")
    tensors[f"{request.param}{TENSOR}"] = torch.randn(7, 32, generator=torch.Generator().manual_seed(5))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def annotated(folder: Path, *more: str) -> Path:
    """Its vocabulary as the authors' repository has it: words without a type, with one, and the bar itself."""
    lines = ["the", "|", "Ġa|C0000001|ANAT", *(f"{word}|C0000002|{group}" for word, group in WORDS.items()), *more]
    (folder / VOCABULARY).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def as_published(folder: Path, ids: Tensor, groups: dict[int, int]) -> Tensor:
    """Hidden states as the authors' code computes them: a fourth embedding, whose row 0 adds nothing."""
    model = BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="eager").eval()
    tensors = load_file(folder / "model.safetensors")
    types = tensors[next(name for name in tensors if name.endswith(TENSOR))]
    typed = torch.tensor([[groups.get(int(token), 0) for token in row] for row in ids])
    beside = types[typed] * (typed != 0).unsqueeze(-1)
    with torch.no_grad():
        words = model.embeddings.word_embeddings(ids) + beside
        states: Tensor = model(inputs_embeds=words).last_hidden_state
    return states


def read(folder: Path, ids: Tensor) -> Tensor:
    with torch.no_grad():
        states: Tensor = load_body(look(folder), EXACT).module.eval()(input_ids=ids).last_hidden_state
    return states


def text(base: LocalBackbone) -> Tensor:
    return torch.tensor([load_tokenizer(base)("admitted with chest pain and fever")["input_ids"]])


def test_types_are_read_as_the_authors_code_reads_them(umls: Path) -> None:
    base = look(annotated(umls))
    groups, ids = groups_of(base), text(base)
    vocabulary = load_tokenizer(base).get_vocab()
    assert groups == {vocabulary[word]: GROUPS.index(group) + 1 for word, group in WORDS.items()}
    assert torch.allclose(read(umls, ids), as_published(umls, ids, groups), atol=1e-5)
    assert (read(umls, ids) - as_published(umls, ids, {})).abs().max() > 1e-3
    assert backbone_facts(base, 1)["semantic_types"] == len(WORDS)


def test_without_the_vocabulary_it_is_a_plain_bert_and_said_to_be(umls: Path) -> None:
    base = look(umls)
    ids = text(base)
    assert torch.allclose(read(umls, ids), as_published(umls, ids, {}), atol=1e-6)
    assert has_types(base)
    assert not vocabulary_of(base)
    assert backbone_facts(base, 1)["semantic_types"] == 0


def test_which_token_has_which_type_is_a_part_of_what_a_base_is(umls: Path) -> None:
    plain = look(umls).content_hash
    typed = look(annotated(umls)).content_hash
    assert len({plain, typed, look(annotated(umls, "Ġfall|C3|PHYS")).content_hash}) == 3


@pytest.mark.parametrize("line", ["Ġfall|C3|XXXX", "Ġfall|C0000003", "Ġfall|C0000003|PHYS|more"])
def test_a_line_that_names_no_group_is_refused_by_its_number(umls: Path, line: str) -> None:
    line = line.replace("C3", "C0000003")
    with pytest.raises(AdapterError, match=r"ANAT, ACTI.*line 7 of .*vocab_updated"):
        load_body(look(annotated(umls, line)), EXACT)


def test_types_of_another_width_are_refused(umls: Path) -> None:
    tensors = load_file(annotated(umls) / "model.safetensors")
    name = next(name for name in tensors if name.endswith(TENSOR))
    save_file(tensors | {name: torch.zeros(3, 32)}, umls / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdapterError, match=r"must have 7 rows.* of \[3, 32\]"):
        load_body(look(umls), EXACT)


def test_it_is_adapted_by_masked_words_only_without_its_types(umls: Path) -> None:
    if not any(name.startswith("cls.") for name in load_file(umls / "model.safetensors")):
        pytest.skip("its head was not kept")
    assert load_body(look(umls), EXACT, language_model=True).lm_head is not None
    with pytest.raises(AdapterError, match=f"take {VOCABULARY} out"):
        load_body(look(annotated(umls)), EXACT, language_model=True)


def test_what_is_saved_is_a_plain_bert_that_reads_alike(umls: Path, tmp_path: Path) -> None:
    base = look(annotated(umls))
    save_model(load_body(base, EXACT).module, tmp_path / "saved")
    stock, ids = BertModel.from_pretrained(tmp_path / "saved", attn_implementation="eager").eval(), text(base)
    with torch.no_grad():
        assert torch.allclose(stock(input_ids=ids).last_hidden_state, read(umls, ids), atol=1e-6)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_file_of_types_beside_other_weights_is_not_read(twins: Path, tmp_path: Path, kind: str) -> None:
    folder = Path(shutil.copytree(twin(twins, kind).folder, tmp_path / "copy"))
    before = look(folder).content_hash
    assert look(annotated(folder)).content_hash == before


def test_such_a_tensor_in_another_architecture_is_refused(twins: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(twin(twins, "roberta").folder, tmp_path / "copy"))
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {TENSOR: torch.zeros(7, 32)}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdapterError, match="must hold nothing that its architecture does not take"):
        look(folder)
