"""Groups of verbs: in which order the help lists them, and which one stands for a group."""

from typing import Any

from typer.core import TyperGroup

AFTER = {"study": "export"}
"""Group → the verb behind which it is listed; typer would list groups first."""


class InOrder(TyperGroup):
    """Verbs in the order in which they are used, groups of verbs among them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, as the help lists them."""
        names = [name for name in super().list_commands(ctx) if name not in AFTER]
        for group, verb in AFTER.items():
            names.insert(names.index(verb) + 1, group)
        return names


class RunByDefault(TyperGroup):
    """A group whose first verb is meant where none is named: `study FILE` is `study run FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Arguments of the group; what is neither a verb of it nor a call for help goes to the first one."""
        usual: Any = next(iter(self.commands))
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [usual, *args]
        return super().parse_args(ctx, args)
