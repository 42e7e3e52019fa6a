"""Every table and figure of both papers: listed in full, and those that can be reproduced so, on drawn faces."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.engine.config import load_config
from pipeline.evaluation.paper_items import STATES, PaperItem, read_items
from stages.cli.paper_results import KINDS, stated_rows
from stages.cli.tiny import IMAGES
from stages.graph import STAGES
from stages.packaged_configs import CONFIGS
from tests.stages.conftest import Answer

ITEMS = read_items(CONFIGS / "papers")
MOGFACE = [f"mogface-table-{n}" for n in range(1, 6)] + [f"mogface-figure-{n}" for n in ("1b", "1c", "3", "4")]
CRFACE = [f"crface-table-{n}" for n in range(1, 6)] + [f"crface-figure-{n}" for n in (2, *range(4, 15))]


def test_ten_tables_and_sixteen_figures_are_listed() -> None:
    assert [name for name in ITEMS if "-section-" not in name] == [*MOGFACE, *CRFACE]
    assert sum("-table-" in name for name in ITEMS) == 10
    assert sum("-figure-" in name for name in ITEMS) == 16


def test_the_list_has_every_field_of_each(wider8k: Callable[..., Answer]) -> None:
    done = wider8k("reproduce", "--list")
    assert done.code == 0
    blocks = {block.partition(":")[0]: block for block in done.out.split("\n\n")}
    for name, item in ITEMS.items():
        block = blocks[name]
        assert block.startswith(f"{name}: {item.state}\n")
        for word in (
            "shows",
            "prints",
            "needs",
            "costs",
            "runs",
            "command",
            *(("lacks", "then") if item.lacks else ()),
        ):
            assert re.search(rf"^  {word:<9}\S", block, re.MULTILINE), f"{name}: {word}"
        assert "not counted" not in block
    assert f"{len(ITEMS)} in all\n" in done.out
    for state, meaning in STATES.items():
        count = sum(item.state == state for item in ITEMS.values())
        assert re.search(rf"^ +{count} {state}: +{meaning}$", done.out, re.MULTILINE)


def test_the_command_of_the_list_is_understood(wider8k: Callable[..., Answer]) -> None:
    """What it needs from outside is named, and what to add once there is more is a field of the config."""
    for block in wider8k("reproduce", "--list").out.split("\n\n")[:-1]:
        name = block.partition(":")[0]
        words = re.findall(r"^  command +wider8k (.*)$", block, re.MULTILINE)[0].split()
        assert words[:2] == ["reproduce", name]
        assert ("--images" in words) == ("WIDER" in block.partition("needs")[2].partition("costs")[0])
        assert words.count("--weights") == len(ITEMS[name].files)
        load_config(CONFIGS / ITEMS[name].config, STAGES, [each.replace("'", "") for each in re.findall(r"--set ('.*?'|[^\s,]+)", ITEMS[name].then)])  # fmt: skip


@pytest.mark.parametrize(("name", "item"), ITEMS.items(), ids=list(ITEMS))
def test_an_entry_fits_its_config(name: str, item: PaperItem) -> None:
    graph = load_config(CONFIGS / item.config, STAGES).graph
    assert item.node in graph.nodes
    assert item.kind in KINDS
    assert list(stated_rows(item, graph)) == []
    load_config(CONFIGS / item.config, STAGES, [f"{pattern}.path=file" for pattern in item.files.values()])
    stage = graph.nodes[item.node].stage
    if item.kind == "ap" and "section" not in name:
        assert set(getattr(stage, "paper", {})) <= item.rows.keys()


@pytest.mark.parametrize("config", dict.fromkeys(item.config for item in ITEMS.values()))
def test_all_of_a_config_runs_on_drawn_faces(config: str, tmp_path: Path, wider8k: Callable[..., Answer]) -> None:
    """In one store: what two figures share is computed once."""
    for name in (name for name, item in ITEMS.items() if item.config == config):
        # The drawn predictions of the table before it are those of others here.
        given = ["--beside", f"Others={tmp_path}/files/predictions"] if name == "crface-figure-6" else []
        done = wider8k("reproduce", name, "--tiny", "--local", "--store", tmp_path, *given)
        assert done.code == 0, f"{name}: {done.out}{done.err}"
        require_printed(name, tmp_path, done, ["Others"] if given else [])


def require_printed(name: str, store: Path, done: Answer, others: list[str]) -> None:
    """Fails unless a table or figure is printed, and written as Markdown, LaTeX and a page with all its rows."""
    item = ITEMS[name]
    markdown, latex, page = ((store / f"{name}.{ending}").read_text("utf-8") for ending in ("md", "tex", "html"))
    assert markdown in done.out and str(store / f"{name}.html") in done.out, name
    assert all("its figures mean nothing" in text for text in (markdown, latex, page)), name
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert [line for line in done.out.splitlines() if line.startswith("|")] == rows, name
    assert len(rows) > 2 and len({len(re.split(r"(?<!\\)\|", row)) for row in rows}) == 1, name
    assert all(shown in markdown for shown in (*item.rows.values(), *item.only_paper, *others)), name
    cells = [line.count(" & ") for line in latex.splitlines() if line.endswith(r"\\")]
    assert len(cells) == len(rows) - 1 and len(set(cells)) == 1, name
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 2, name
    assert '<table role="table"' in page and f"wider8k reproduce {name}" in page, name
    for stated in (*item.paper.values(), *item.only_paper.values()):
        assert all(f" {number} " in markdown for number in stated.values()), name
    if item.kind == "submission":
        with zipfile.ZipFile(store / f"{name}.zip") as archive:
            assert len(archive.namelist()) == IMAGES


def test_mistakes_are_named(wider8k: Callable[..., Answer], tmp_path: Path) -> None:
    for words, problem in (
        (["mogface-table-9"], "did you mean 'mogface-table-"),
        (["crface-figure-9", "--beside", f"other={tmp_path}"], "expected with a table of AP, found crface-figure-9"),
        (["crface-table-5", "--beside", "other"], "--beside other: expected NAME=FILE"),
        ([], "--list` has all of them"),
        (["mogface-table-2", "--tiny", "--images", tmp_path], "leave out --images"),
        (["crface-table-1", "--weights", "hrnt=a.pth"], "retinaface, hambox, hrnet"),
        (["crface-table-1", "--weights", "a.pth"], "expected NAME=FILE"),
        (["mogface-table-3", "--tiny", "--store", "s3://bucket/store"], "expected a folder"),
    ):
        done = wider8k("reproduce", *words)
        assert done.code == 2 and problem in done.err, (words, done.err)


def test_images_and_weights_reach_the_nodes_that_need_them(wider8k: Callable[..., Answer], tmp_path: Path) -> None:
    store = ["--store", tmp_path / "store", "--local"]
    done = wider8k(
        "reproduce", "crface-figure-2", "--images", tmp_path / "none", "--weights", tmp_path / "w.pth", *store
    )
    assert done.code == 2
    assert f"{tmp_path}/none" in done.err and f"{tmp_path}/w.pth" in done.err
