"""The tokenizer of a base model, and whether the model knows every token that it may give."""

import importlib.util
import json
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from transformers import AutoTokenizer

from chartune.errors import AdapterError
from chartune.models.architecture import embedded
from chartune.models.families import Family
from chartune.models.foreign import JSON_BYTES, json_object, plain_bytes, reading
from chartune.models.local import LocalBackbone, ModelFile, only

SENTENCEPIECE: Final = frozenset({"tokenizer.model", "spiece.model", "spm.model", "sentencepiece.bpe.model"})
"""Vocabularies as the library sentencepiece writes them, under the names of LLaMA, ALBERT and XLNet, DeBERTa, and
XLM-R."""
SPECIAL: Final = frozenset({"bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "sep_token", "mask_token"})
_ONE_AT_A_TIME: Final = threading.RLock()


def load_tokenizer(backbone: LocalBackbone) -> Any:
    """The tokenizer of a base model, a transformers `PreTrainedTokenizerFast`, read once per process: do not change it.

    Where only its padding lies beyond the embedding, padding is another token's id (it is masked), and the name of the
    padding token in a text is text.

    Raises:
        AdapterError: the files do not make a fast tokenizer, or it gives tokens that the model does not know.
    """
    for file in backbone.files:
        file.must_be_unchanged()
    return _load(backbone.files, backbone.family, backbone.name)


def tokenised(tokenizer: Any, *texts: Any, **options: Any) -> Any:
    """What a tokenizer makes of texts, one caller after the other.

    A fast tokenizer keeps where it cuts from one call to the next, and is read once per process: another thread would
    cut this one's texts where its own are cut.

    Raises:
        AdapterError: it fails at one; what its library says then may quote the text.
    """
    with _ONE_AT_A_TIME, reading(
        "transformers", "a tokenizer must take every text",
        "use the tokenizer that belongs to these weights, or another base model",
    ):  # fmt: skip
        return tokenizer(*texts, **options)


def must_share_tokens(backbone: LocalBackbone) -> None:
    """Refuse a base whose tokenizer cannot be read or gives tokens that the embedding has no rows for.

    Raises:
        AdapterError: as `load_tokenizer`.
    """
    load_tokenizer(backbone)


def tokenizer_as_given(backbone: LocalBackbone) -> Any:
    """As `load_tokenizer`, with the padding token that its files name, wherever it lies: what belongs beside weights.

    Raises:
        AdapterError: the files do not make a fast tokenizer.
    """
    return _read(backbone.files, backbone.name)


@lru_cache(maxsize=4)
def _load(files: tuple[ModelFile, ...], family: Family, name: str) -> Any:
    tokenizer = _read(files, name)
    _keep_below(tokenizer, embedded(files, family), name)
    return tokenizer


def _read(files: tuple[ModelFile, ...], name: str) -> Any:
    names, place = {file.path.name for file in files}, files[0].path.parent
    _must_have_a_reader(names, place)
    _must_lead_nowhere(names, place)
    requirement = f"the tokenizer of {name} must be readable"
    remedy = "update the library, or save the tokenizer again with the version here, or copy its files again"
    with only(files) as folder, reading("tokenizers", requirement, remedy):
        _leave_out_empty_tokens(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise AdapterError(f"{name} must have a fast tokenizer (tokenizer.json); convert it with transformers first.")
    tokenizer.model_max_length = 10**9  # chartune cuts by max_seq_len; the library's warning would only confuse
    return tokenizer


def padding_of(tokenizer: Any) -> int:
    """The id that fills the right of short rows. It is masked, so that any will do; it must have an embedding.

    Without a padding token the end, else the unknown, else the start token stands in; else the first of the vocabulary.
    """
    ids = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id, tokenizer.bos_token_id, 0)
    return int(next(number for number in ids if number is not None))


def padding_stand_in(backbone: LocalBackbone) -> str | None:
    """The token that pads in place of one of the tokenizer's own, which is missing or beyond the embedding; None: own.

    Raises:
        AdapterError: as `load_tokenizer`.
    """
    tokenizer = load_tokenizer(backbone)
    beyond = max(tokenizer.get_vocab().values()) >= embedded(backbone.files, backbone.family)
    if tokenizer.pad_token_id is not None and not beyond:
        return None
    return str(tokenizer.convert_ids_to_tokens(padding_of(tokenizer)))


def _must_have_a_reader(names: set[str], folder: Path) -> None:
    models = names & SENTENCEPIECE
    if not models or names & {"tokenizer.json", "vocab.txt", "vocab.json"}:
        return
    if not (_importable("sentencepiece") and _importable("google.protobuf")):
        raise AdapterError(
            f"a tokenizer must be readable, but {folder} has {min(models)} alone, which needs the packages "
            f"sentencepiece and protobuf; `pip install sentencepiece protobuf`, or make a tokenizer.json of it once, "
            f"where they are installed: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)."
        )


def _importable(module: str) -> bool:
    outer = module.partition(".")[0]
    return importlib.util.find_spec(outer) is not None and importlib.util.find_spec(module) is not None


def _leave_out_empty_tokens(folder: Path) -> None:
    """Have a special token of no letters, as in LLaMA's first conversions, be none: its id would be sought without end.

    Args:
        folder: links to the tokenizer's files, to be replaced by what shall be read.
    """
    for file in (folder / "tokenizer_config.json", folder / "special_tokens_map.json"):
        if file.exists():
            entries = json_object(file)
            empty = {key for key in SPECIAL & entries.keys() if _letters(entries[key]) == ""}
            if empty:
                file.unlink()
                file.write_text(json.dumps({key: value for key, value in entries.items() if key not in empty}))


def _letters(token: Any) -> Any:
    return token.get("content") if isinstance(token, dict) else token


def _must_lead_nowhere(names: set[str], folder: Path) -> None:
    """Refuse a tokenizer_config.json that is none, or points to files that were not checked."""
    for name in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        if name in names:
            entries = json_object(folder / name)
            if entries.get("fast_tokenizer_files"):
                raise AdapterError(
                    f"a tokenizer must lie in its usual files, but {folder / name} names fast_tokenizer_files; remove "
                    f"that field, and keep the one file that is meant as tokenizer.json."
                )
    if "tokenizer.json" in names:
        try:
            json.loads(plain_bytes(folder / "tokenizer.json", 8 * JSON_BYTES))
        except (ValueError, RecursionError):
            raise AdapterError(
                f"{folder / 'tokenizer.json'} must be a JSON object, but it is damaged; copy it again."
            ) from None


def _keep_below(tokenizer: Any, rows: int, name: str) -> None:
    """Padding beyond the embedding becomes a token that is there; any other token beyond it is refused."""
    beyond = sorted((number, token) for token, number in tokenizer.get_vocab().items() if number >= rows)
    if not beyond:
        return
    if [token for _, token in beyond] != [tokenizer.pad_token]:
        others = [number for number, token in beyond if token != tokenizer.pad_token]
        raise AdapterError(
            f"a base model must know every token of its tokenizer, but {name} has an embedding of {rows:,} rows "
            f"and its tokenizer {len(others):,} tokens beyond it, up to the id {others[-1]:,}; copy the tokenizer that "
            f"belongs to these weights, or resize the embedding (resize_token_embeddings) and save the model again."
        )
    tokenizer.split_special_tokens = True  # else its name in a text would be its id
    tokenizer.pad_token = None
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(padding_of(tokenizer))
