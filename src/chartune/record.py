"""Record: a JSON file of an artefact as a typed, frozen value. One reader and one error for all of them.

artefact ─file─▶ bytes as signed ─read_record─▶ Dataset, RunRecord, …      else a StoreError with a remedy
"""

from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from chartune.artefact import Artefact
from chartune.errors import StoreError


class Record(BaseModel):
    """What was written down when something was made. Frozen; a field that nobody knows is refused.

    A field that a later version added has a default, so that what an earlier one wrote is read as long as nothing is
    lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, as it was written: fields that were not given are left out."""
        return self.model_dump(mode="json", exclude_unset=True)

    def but(self, **changes: Any) -> Self:
        """The same with some fields replaced; they are values of their types, and not checked again."""
        return self.model_copy(update=changes)


R = TypeVar("R", bound=Record)


def read_record(artefact: Artefact, name: str, kind: type[R]) -> R:
    """A JSON file of an artefact.

    Args:
        artefact: finished.
        name: of the file.
        kind: what it describes.

    Raises:
        StoreError: its bytes are not those that were signed, or they are no such record: another version wrote it.
    """
    file = artefact.file(name)
    try:
        return kind.model_validate_json(file.read_bytes())
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, wrong["loc"]))[:80]
    raise StoreError(
        f"{name} must describe a {kind.__name__}, but {file} does not ({place}{': ' if place else ''}{wrong['msg']}): "
        f"it was made by an older version or another; {artefact.again()}."
    )
