from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stages.cli import main as main_module
from stages.cli.lazy_command import LazyCommand
from stages.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = (
    "doctor",
    "plan",
    "run",
    "explain",
    "status",
    "clean",
    "evaluate",
    "compare",
    "reproduce",
    "submission",
    "detect",
    "export",
    "download",
)
GROUPS = ("weights", "configs", "dataset", "predictions")


def test_all_commands_are_there(wider8k) -> None:
    assert set(main_module.COMMANDS) == {*COMMANDS, *GROUPS}
    answer = wider8k("--help")
    assert answer.code == 0
    for command in (*COMMANDS, *GROUPS):
        assert f"\n  {command} " in answer.out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(wider8k, command: str) -> None:
    for flag in ("--help", "-h"):
        answer = wider8k(command, flag)
        assert answer.code == 0
        assert f"Example: wider8k {command} " in " ".join(answer.out.split())


def test_examples_name_options_that_exist() -> None:
    for name, module in main_module.COMMANDS.items():
        command = LazyCommand(name, module).loaded
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        example = (command.help or "").split("Example:")[1].split()
        assert example[:2] == ["wider8k", name]
        assert {word for word in example if word.startswith("-")} <= known


def test_mistakes_of_usage_end_with_code_two(wider8k) -> None:
    assert wider8k("fly").code == 2
    assert wider8k("run").code == 2
    assert wider8k("run", "-c", "x.yaml", "--limit", 0).code == 2
    answer = wider8k("run", "-c", "no_such.yaml")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert "no_such.yaml: no such config file; wider8k configs lists those that come with it" in answer.err


def test_the_version(wider8k) -> None:
    answer = wider8k("--version")
    assert (answer.code, answer.err) == (0, "")
    assert re.fullmatch(r"wider8k \d+\.\d+\.\d+\n", answer.out)


def test_a_trace_is_shown_on_request_only(wider8k, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" not in wider8k("plan", "-c", "no_such.yaml").err
    monkeypatch.setattr(sys, "argv", ["wider8k", "--debug", "plan", "-c", "no_such.yaml"])
    with pytest.raises(FileNotFoundError, match="no such config file"):
        main()


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "stages.cli.main", "plan", "-c", str(ROOT / "configs/smoke.yaml")]
    answer = subprocess.run([*command, "--set", "store=/nonexistent/store"], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert [line.split()[0] for line in answer.stdout.splitlines()][:2] == ["drawings", "faces"]


def test_a_node_that_is_not_there_is_named(wider8k) -> None:
    answer = wider8k("plan", "-c", ROOT / "configs/smoke.yaml", "--only", "facez")
    assert answer.code == 2
    assert answer.err.startswith("error: no node is called 'facez' (did you mean 'faces'?; choices: ")


def test_an_error_of_the_system_is_file_and_reason(wider8k, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image,x1,y1,x2,y2\na.jpg,1,2,3,4\n")
    (tmp_path / "found.csv").write_text("image,x1,y1,x2,y2,score\na.jpg,1,2,3,4,0.5\n")
    answer = wider8k("evaluate", tmp_path / "found.csv", "--labels", labels, "--images", tmp_path / "gone.txt")
    assert (answer.code, answer.err) == (2, f"error: {tmp_path}/gone.txt: No such file or directory\n")


def test_a_folder_is_no_config_and_no_weights(wider8k, tmp_path: Path) -> None:
    assert f"error: {tmp_path}: expected a config file, found a folder" in wider8k("plan", "-c", tmp_path).err
    said = wider8k("weights", "inspect", tmp_path).err
    assert said == f"error: {tmp_path}: expected a weights file, found a folder\n"
