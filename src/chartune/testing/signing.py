"""Changing a finished artefact in a test: honestly, with a new signature. Without one, the change is damage."""

from pathlib import Path
from typing import Any

from chartune.artefact import MANIFEST, write_manifest
from chartune.writing import write_json


def sign_again(folder: Path) -> None:
    """Sign a finished artefact as it now is."""
    (folder / MANIFEST).unlink(missing_ok=True)
    write_manifest(folder, folder.parent.name, folder.name, {"sensitivity": "restricted"})


def rewrite(file: Path, data: Any) -> None:
    """Replace a JSON file in an artefact's folder, and sign the folder again."""
    write_json(file, data)
    sign_again(file.parent)
