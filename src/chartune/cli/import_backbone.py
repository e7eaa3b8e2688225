"""`chartune import-backbone`: pickled weights, or a GGUF file → a base model in safetensors."""

from pathlib import Path
from typing import Annotated

from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit, open_store, path_argument, path_option


def command(
    folder: Annotated[
        Path,
        path_argument(
            "FOLDER", "A model folder: config.json, tokenizer files, pytorch_model.bin or its shards; or a GGUF file."
        ),
    ],
    out: Annotated[Path, path_option("--out", "Folder to write; name it with --base afterwards.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Make a base model of pickled weights (pytorch_model.bin) or of a GGUF file, without trusting either.

    Older clinical encoders are published as pickles, which can run code; models for llama.cpp as GGUF, with weights
    rounded to a few bits. Both are opened in a sandboxed process that may read them and nothing else. The copy
    holds safetensors, tokenizer, and the hashes of both sides.
    """
    from chartune.batches.tokenize import load_tokenizer
    from chartune.importing.folder import import_backbone, import_warnings
    from chartune.models.load import must_be_whole

    made = import_backbone(folder, out, (must_be_whole, load_tokenizer), open_store(store).root)
    warnings = import_warnings(out)
    about = {"folder": str(out), "family": made.family.model_type, "content_hash": made.content_hash}
    lines = [f"{out}: {made.family.model_type}, content {made.content_hash[:12]}; next: --base {out}"]
    text = "\n".join([*lines, *(f"warning: {warning}" for warning in warnings)])
    emit({**about, "warnings": warnings}, as_json, text)
