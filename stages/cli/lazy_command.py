"""A command whose module is imported when it is called; its line in the list of commands is read from the source."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from functools import cache, cached_property
from importlib.abc import InspectLoader
from typing import Any

import typer.main
from typer.core import TyperCommand, TyperGroup

_TEXT, _GROUP = "_HELP", "group"


class LazyCommand(TyperCommand):
    """A function, or a group of them, that is not imported yet.

    The help of all commands and a shell that completes their names import none of them, any other command only its own
    module: importing all takes longer than most of them do.

    Attributes:
        module: has a function of the command's name, with a docstring, or a `typer.Typer` named `group` with its text
            in `_HELP`.
    """

    def __init__(self, name: str, module: str) -> None:
        super().__init__(name, callback=None)
        self.module = module

    @cached_property
    def loaded(self) -> TyperCommand | TyperGroup:
        """The command itself; imports its module."""
        found, parent = importlib.import_module(self.module), typer.Typer(rich_markup_mode=None)
        if hasattr(found, _GROUP):
            parent.add_typer(found.group, name=self.name)
        else:
            parent.command(self.name)(getattr(found, str(self.name)))
        (command,) = typer.main.get_group(parent).commands.values()
        assert isinstance(command, TyperCommand | TyperGroup)
        return command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Returns the context of the command itself, which from here on goes on in the place of this one."""
        return self.loaded.make_context(info_name, args, parent, **extra)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Returns its first sentence, cut at a number of characters."""
        self.help = help_in_source(self.module, str(self.name))
        return super().get_short_help_str(limit)


def help_in_source(module: str, name: str) -> str:
    """Returns the help of a command, or of a group of commands, from the source of its module.

    Args:
        module: as in `LazyCommand`.
        name: of the command.

    Raises:
        LookupError: it has neither a function of this name with a docstring nor a `_HELP`.
    """
    for statement in _statements(module):
        match statement:
            case ast.FunctionDef(name=each) if each == name and (text := ast.get_docstring(statement)):
                return text
            case ast.Assign(targets=[ast.Name(id=each)], value=ast.Constant(value=str(text))) if each == _TEXT:
                return text
    raise LookupError(f"{module}: expected a function {name} with a docstring, or a text {_TEXT}; found neither")


@cache
def _statements(module: str) -> list[ast.stmt]:
    spec = importlib.util.find_spec(module)
    source = spec.loader.get_source(module) if spec and isinstance(spec.loader, InspectLoader) else None
    return ast.parse(source or "").body
