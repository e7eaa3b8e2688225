"""The address of the repository: it stands in `[project.urls]` of pyproject.toml, and everything else follows it.

    python -m chartune.testing.address      # after `Repository` was changed there; a test fails until this has run

Repository = "https://…" ─▶ the other links of [project.urls] · CITATION.cff · clone commands of README and docs
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Final

FOLLOWING: Final = ("pyproject.toml", "CITATION.cff", "README.md", "docs/install.md")
"""Files that name it, from the root of the repository."""
_CLONED: Final = re.compile(r"git clone (\S+)")


def stated(root: Path) -> str:
    """The address that `[project.urls]` states."""
    address: str = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
    return address


def cloned(root: Path) -> set[str]:
    """The addresses in the clone commands of the files that follow."""
    return {address for name in FOLLOWING for address in _CLONED.findall((root / name).read_text("utf-8"))}


def follow(root: Path) -> list[str]:
    """Write the stated address wherever that of the clone commands stands; returns the files that were changed."""
    changed = []
    for name in FOLLOWING:
        file = root / name
        before = file.read_text("utf-8")
        after = before
        for former in cloned(root):
            after = after.replace(former, stated(root))
        if after != before:
            file.write_text(after, "utf-8")
            changed.append(name)
    return changed


if __name__ == "__main__":
    sys.stdout.write("\n".join(follow(Path(__file__).parents[3])) + "\n")
