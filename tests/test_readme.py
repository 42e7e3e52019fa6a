"""The README's commands exist, its files exist, and its two first commands are what CI and the tests run."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
WIDER8K = [
    command.replace("\\\n", " ").split("#")[0].split("&&")[-1].strip()
    for block in BLOCKS
    for command in re.split(r"\n(?! )", block)
    if "wider8k " in command and not command.startswith("#")
]


def test_the_first_two_blocks_are_whole_commands_for_a_fresh_machine():
    setup = "python3 -m pip install uv && python3 -m uv sync --compile-bytecode && python3 -m uv run "
    assert BLOCKS[0].strip() == setup + "wider8k run -c configs/smoke.yaml"
    assert BLOCKS[1].strip() == setup + "pytest"
    assert "uv run --locked pytest" in (ROOT / ".ci/run").read_text()


def test_there_are_commands_to_check():
    assert len(WIDER8K) >= 5


@functools.cache
def wider8k(*words: str) -> subprocess.CompletedProcess[str]:
    """Returns what the command said; a page of help, which several commands ask for, is printed once."""
    command = [sys.executable, "-m", "stages.cli.main", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def named(words: list[str]) -> list[str]:
    """Returns the name of the command that some words call: two of a group, else one."""
    return words[: 2 if words[0] in ("dataset", "weights") else 1]


@pytest.mark.parametrize("command", WIDER8K)
def test_every_command_is_understood(command, tmp_path):
    """Options are parsed, configs and overrides are checked; what is then missing is only the data."""
    words = command[command.index("wider8k ") :].replace("'", "").split()[1:]
    if words[0] == "run":
        words = ["plan", *words[1:], "--set", f"store={tmp_path / 'store'}"]
    else:
        words = [*named(words), "--help"]
    done = wider8k(*words)
    assert done.returncode == 0 or "blocked" in done.stdout, done.stdout + done.stderr
    assert "no such" not in done.stderr
    assert words[0] != "plan" or "~" not in done.stdout, "a path was not expanded"


def test_every_option_that_is_shown_exists():
    for command in WIDER8K:
        words = command[command.index("wider8k ") :].split()
        page = wider8k(*named(words[1:]), "--help")
        for option in {word for word in words if re.fullmatch(r"--[a-z-]+", word)}:
            assert option in page.stdout, f"{option} of: {command}"


def test_every_file_that_is_named_exists():
    for name in set(re.findall(r"\b((?:configs|jobs|pipeline|stages)/[\w./]+\.(?:yaml|py|md))", README)):
        assert (ROOT / name).is_file(), name
