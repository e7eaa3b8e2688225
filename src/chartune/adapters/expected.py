"""Expected: the adapter that a stage has yet to leave, known by its method and base model, for checks and plans.

stage that has not run ─method, base─▶ Expected ─on the base found─▶ an Adapter of which nothing but numbers is missing
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from chartune.adapters.adapter import Adapter
from chartune.adapters.fit import body_of
from chartune.adapters.method import Method
from chartune.models.anatomy import anatomy_of
from chartune.models.backbone import Backbone
from chartune.models.local import LocalBackbone


class Unmade(Adapter):
    """An adapter without a file: it stands in a stack as it will, frozen where it will be, and has no numbers."""

    def tensors(self) -> dict[str, Tensor]:
        """None: whoever asks for them does more than check or plan."""
        raise AssertionError(f"the adapter of {self.folder.parent} is not made yet, and has no weights to be read")

    def must_fit(self, backbone: LocalBackbone) -> None:
        """As of an adapter on disk, whose file alone is not looked at.

        Raises:
            AdapterError: the stage that makes it trains another base model, or its method does not suit this one.
        """
        self.must_be_of(backbone)
        body = body_of(backbone)
        self.method.must_suit(body, anatomy_of(body), f"{self.folder}, an adapter of {self.base},")


@dataclass(frozen=True)
class Expected:
    """What a stage that has not run will leave."""

    stage: str
    """What the stage is called."""
    method: Method
    """As its file will have it."""
    backbone: Backbone
    """Which base model it will be trained on."""

    def on(self, base: LocalBackbone | None) -> Adapter:
        """The adapter; base: its own base model, None where that is not made yet, either."""
        content = base.content_hash if base else None
        return Unmade(Path(self.stage) / "adapter", self.method, self.backbone.name, content, None, "")
