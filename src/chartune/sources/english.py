"""General English that every machine has: Python's own documentation topics and the docstrings of its library.

It is what the small LLaMA is pretrained on before it sees a clinical word: free, offline, about three hundred thousand
words, and far enough from a chart that adaptation has something to do. Sources are read as text; nothing is run.
"""

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chartune.errors import DataError

SKIPPED: Final = ("test", "tests", "idlelib", "lib2to3", "site-packages", "turtledemo", "encodings", "__pycache__")
SHORTEST: Final = 40
"""Characters below which a docstring says nothing."""
TOPICS: Final = Path("pydoc_data") / "topics.py"


def python_documents(library: Path | None = None) -> list[str]:
    """Documents, in a fixed order: each documentation topic, then all docstrings of each module joined.

    Args:
        library: folder of the standard library; None: this interpreter's.

    Raises:
        DataError: the library holds no docstrings (stripped or frozen installations).
    """
    root = library or Path(sysconfig.get_paths()["stdlib"])
    documents = [*_topics(root / TOPICS), *_docstrings(root)]
    if sum(len(document) for document in documents) < 200_000:
        raise DataError(
            f"the small base model needs Python's documentation and docstrings, but {root} holds almost none "
            f"({len(documents)} documents); use a complete Python, or name another base model with --base."
        )
    return documents


def _topics(path: Path) -> Iterator[str]:
    if path.is_file():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                yield from (v.value for v in node.values if isinstance(v, ast.Constant) and isinstance(v.value, str))


def _docstrings(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*.py")):
        if any(part in SKIPPED for part in path.relative_to(root).parts) or path == root / TOPICS:
            continue
        docstrings = [text for text in _docstrings_of(path) if len(text) >= SHORTEST]
        if docstrings:
            yield "\n\n".join(docstrings)


def _docstrings_of(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in library sources are not ours to mend
            tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield text
