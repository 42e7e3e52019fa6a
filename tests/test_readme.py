"""Commands, files and links of the README and of docs/ exist, Python in them runs, and CI runs the two first commands."""

from __future__ import annotations

import functools
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.data.images import encode_png
from stages.cli.main import app
from tests.api.conftest import ranker_weights, weights
from tests.stages.conftest import wider8k
from tests.stages.world import drawn_image

__all__ = ["ranker_weights", "weights", "wider8k"]

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in sorted((ROOT / "docs").glob("*.md"))}
PAGES["README.md"] = README
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
WIDER8K = [
    command.replace("\\\n", " ").split("#")[0].split("&&")[-1].strip()
    for page in PAGES.values()
    for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    for command in re.split(r"\n(?! )", block)
    if "wider8k " in command and not command.startswith("#")
]


def test_the_first_two_blocks_are_whole_commands_for_a_fresh_machine():
    setup = "python3 -m pip install uv && python3 -m uv sync --compile-bytecode && python3 -m uv run "
    assert BLOCKS[0].strip() == setup + "wider8k run -c configs/smoke.yaml"
    assert BLOCKS[1].strip() == setup + "pytest"
    assert "uv run --locked pytest" in (ROOT / ".ci/run").read_text()


def test_there_are_commands_to_check():
    assert len(WIDER8K) >= 25
    assert len(PAGES) >= 6


@functools.cache
def help_of(*words: str) -> str:
    """Returns a command's page of help, which several commands ask for."""
    asked = CliRunner().invoke(app, [*words, "--help"])
    assert asked.exit_code == 0, asked.output
    return asked.output


def named(words: list[str]) -> list[str]:
    """Returns the name of the command that some words call: two of a group, else one."""
    return words[: 2 if words[0] in ("dataset", "predictions", "weights", "configs") else 1]


@pytest.mark.parametrize("command", dict.fromkeys(WIDER8K))
def test_every_command_is_understood(command, wider8k, tmp_path, monkeypatch):
    """Options are parsed, configs and overrides are checked; what is then missing is only the data."""
    words = command[command.index("wider8k ") :].replace("'", "").split()[1:]
    if words[0] not in ("run", "plan"):
        help_of(*named(words))
        return
    chosen = [word for word in words[1:] if word != "--local"]  # which a plan has no use for
    monkeypatch.chdir(ROOT)
    done = wider8k("plan", *chosen, "--set", f"store={tmp_path / 'store'}")
    assert done.code == 0 or "blocked" in done.out, done.out + done.err
    assert "no such" not in done.err
    assert "~" not in done.out, "a path was not expanded"


def test_every_option_that_is_shown_exists():
    for command in WIDER8K:
        words = command[command.index("wider8k ") :].split()
        page = help_of(*named(words[1:]))
        for option in {word for word in words if re.fullmatch(r"--[a-z-]+", word)}:
            assert option in page, f"{option} of: {command}"


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_exists(page):
    for name in set(re.findall(r"\b((?:configs|jobs|pipeline|stages)/[\w./]+\.(?:yaml|py|md))", PAGES[page])):
        assert (ROOT / name).is_file() or f"```python\n# {name}\n" in PAGES[page], name  # or the page writes it


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGES[page]):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_every_step_of_an_image_is_in_its_file():
    way = (ROOT / "pipeline/README.md").read_text(encoding="utf-8").partition("## One image's way")[2]
    steps = re.findall(r"^\| (`.+?) \| `([\w/.]+)` \|", way, re.MULTILINE)
    steps += re.findall(r"(`\w+`)\s+in\s+`([\w/.]+)`", way)
    assert len(steps) > 12
    for names, file in steps:
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"^(def|class) {name}\b", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), name


def test_the_readme_links_every_page():
    linked = {(ROOT / target).resolve() for target in re.findall(r"\]\(([^)#:]+)\)", README)}
    assert {file.resolve() for file in (ROOT / "docs").iterdir()} <= linked


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page, text in PAGES.items() if "```python" in text and "docs/new-" not in page]
)
def test_python_of_a_page_runs(page, weights, ranker_weights, tmp_path, monkeypatch, capsys):
    """With an untrained detector and ranker in the place of the smoke run's; `test_how_to.py` runs docs/new-*.md."""
    smoke = tmp_path / "runs/smoke"
    smoke.mkdir(parents=True)
    shutil.copy(weights, smoke / "detector.safetensors")
    shutil.copy(ranker_weights, smoke / "ranker.safetensors")
    (tmp_path / "photo.jpg").write_bytes(encode_png(drawn_image(4)))
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL):
        exec(compile(block, page, "exec"), names)
    assert "AP all" in capsys.readouterr().out
