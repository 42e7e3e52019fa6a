from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup

from stages.cli.lazy_command import LazyCommand, help_in_source
from stages.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("name", "module"), COMMANDS.items())
def test_the_help_that_is_read_is_that_of_the_command(name: str, module: str) -> None:
    command = LazyCommand(name, module)
    assert command.get_short_help_str(60) == command.loaded.get_short_help_str(60)
    assert help_in_source(module, name).strip() == (command.loaded.help or "").strip()
    assert command.loaded.name == name
    assert (command.hidden, command.deprecated) == (command.loaded.hidden, command.loaded.deprecated)


def test_a_group_has_its_commands() -> None:
    group = LazyCommand("configs", COMMANDS["configs"]).loaded
    assert isinstance(group, TyperGroup)
    assert list(group.commands) == ["copy"]


def test_a_module_without_the_command_is_named() -> None:
    with pytest.raises(LookupError, match=r"stages\.cli\.configs_: expected a function fly with a docstring"):
        help_in_source("stages.cli.configs_", "fly")
    with pytest.raises(LookupError, match=r"stages\.cli\.explain: expected a function fly with a docstring"):
        help_in_source("stages.cli.explain", "fly")


@pytest.mark.parametrize(
    ("words", "imported"),
    [("--help", set()), ("weights list", {"weights"})],
)
def test_only_the_module_of_the_command_is_imported(words: str, imported: set[str]) -> None:
    """In an interpreter of its own, for other tests import them all here."""
    code = (
        "import sys; from stages.cli import main\n"
        "try: main.main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words.split()], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.split())
    assert {module.rpartition(".")[2] for module in set(COMMANDS.values()) & loaded} == imported
    assert words != "--help" or not loaded & {"numpy", "pyarrow", "pydantic", "rich"}
