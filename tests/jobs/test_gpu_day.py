"""The GPU day runs on two cores too, part by part, keeps its figures and does nothing twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.gpu.figures import Figures, as_table, read_figures
from jobs.gpu.learning import SEEN, UNSEEN, lesson_of
from jobs.gpu.parts import PARTS, Setting
from pipeline.engine.config import load_config
from pipeline.inference.engines import ENGINES
from stages.base_training import TrainingStage
from stages.graph import STAGES

ROOT = Path(__file__).resolve().parents[2]


def day(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "jobs/gpu_day.py", "run", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)


def each(heads: Sequence[str], tails: Sequence[str]) -> set[str]:
    return {f"{head}, {tail}" for head in heads for tail in tails}


LEVELS = ("easy", "medium", "hard")
WAYS = [
    "64 float32, torch",
    "64 bfloat16, torch",
    *(["64 bfloat16, openvino"] if ENGINES["openvino"].installed else []),
]
PACES = ("first time", "images/s", "images/s of the network alone")
PIECES = ("decode", "copy and enlarge", "normalise", "all of one image", "rows to a table", "encode")
WAITING, ASSIGNING = ("steps/s", "share of waiting for data"), ("steps/s", "share of assigning")
DETECTOR = (
    "seen unseen learnt_baseline detector_baseline unseen_boxes_baseline unseen_found_baseline unseen_ap_baseline"
)
RANKER = (
    "seen_faces unseen_faces retinaface_seen_original retinaface_unseen_original labelled_original ranker_original_roi "
    "single_original ap_single_original rank_original_roi"
)
# Of every tiny part, without real data.
FIGURES = {
    "right": {"tests passed", "tests failed", "tests skipped", "tests error"},
    "dump-retinaface_mobilenet": each(WAYS, PACES) | each(["64 bfloat16, torch"], PIECES),
    "real": {"AP on real images"},
    "pipeline-1024": each(
        ["1024, torch, 1 worker"],
        ["images/s through Ray", "images/s in the second half", "rows with an error", "MB of a worker"],
    ),
    "rank-crface_mobilenet": {"64 float32, an image", "64 float32, network alone"},
    "train-mogface_baseline": each(["in one process"], WAITING) | each(["bare loop"], ASSIGNING),
    "train-crface": each(["in one process"], WAITING) | each(["bare loop"], ASSIGNING),
    "learn-mogface_baseline": {"whole command", *DETECTOR.split()} | each(["unseen_ap_baseline"], LEVELS),
    "learn-roi": {"whole command", "ap_rank_original_roi", *RANKER.split()}
    | each(["ap_single_original", "ap_rank_original_roi"], LEVELS),
}


@pytest.mark.slow
def test_a_tiny_part_runs_on_a_cpu_and_its_figures_are_in_the_table(tmp_path: Path) -> None:
    name = "rank-crface_mobilenet"
    done = day("--device", "cpu", "--tiny", "--out", str(tmp_path), "--shared", str(tmp_path), "--only", name)
    assert done.returncode == 0, done.stderr
    assert {figure.what for figure in read_figures(tmp_path)} == FIGURES[name]
    assert f"| {name} | 64 float32, an image |" in (tmp_path / "table.md").read_text()


@pytest.mark.faults
def test_every_tiny_part_runs_on_a_cpu_and_none_runs_twice(tmp_path: Path) -> None:
    small = ("--device", "cpu", "--tiny", "--out", str(tmp_path), "--shared", str(tmp_path))
    first = day(*small)
    assert first.returncode == 0, first.stderr
    assert FIGURES.keys() == {name for name, part in PARTS.items() if part.tiny}
    values = {(figure.part, figure.what): figure.value for figure in read_figures(tmp_path)}
    assert values.keys() == {(name, what) for name, all_of_it in FIGURES.items() for what in all_of_it}, first.stdout
    assert values["right", "tests passed"] > values["right", "tests failed"] == values["right", "tests error"] == 0
    assert values["pipeline-1024", "1024, torch, 1 worker, rows with an error"] == 0
    assert "| dump-retinaface_mobilenet | 64 float32, torch, images/s |" in (tmp_path / "table.md").read_text()
    begun = [line for line in day(*small).stdout.splitlines() if line.endswith("...")]
    assert begun == []


@pytest.mark.parametrize("name", ["mogface_baseline", "roi"])
def test_on_real_images_a_gpu_learns_what_the_configs_say(name: str, tmp_path: Path) -> None:
    (tmp_path / "data/splits").mkdir(parents=True)
    for file in (SEEN, UNSEEN):
        (tmp_path / "data/splits" / file).write_text("0--Parade/0_Parade_0.jpg\n")
    lesson = lesson_of(Setting("cuda", False, tmp_path, tmp_path), tmp_path, name)
    config = load_config(ROOT / "configs" / lesson.config, STAGES, [f"{key}={to}" for key, to in lesson.sets.items()])
    chosen = config.graph.select(lesson.nodes, None, None)
    needed = {each for node in chosen for each in config.graph.ancestors(node)}
    assert needed <= set(chosen)
    trained = [node for node in map(config.graph.nodes.get, chosen) if isinstance(node.stage, TrainingStage)]
    assert {node.resources.gpus for node in trained} == {1}
    found = {node.name: (getattr(node.stage, "detector", None), node.stage.recipe.steps) for node in trained}
    expected = {"learnt_baseline": ("mogface_baseline", 700), "detector_baseline": ("mogface_baseline", 100)}
    assert found == (expected if name == "mogface_baseline" else {"ranker_original_roi": (None, 345)})


def test_a_part_that_does_not_exist_is_refused_and_all_are_listed(tmp_path: Path) -> None:
    answer = day("--only", "everything", "--out", str(tmp_path))
    assert answer.returncode == 2
    assert "no part everything; there are right, " in " ".join(answer.stderr.replace("│", " ").split())
    assert [line.split()[0] for line in day("--list", "--out", str(tmp_path)).stdout.splitlines()] == list(PARTS)


def test_figures_outlive_a_line_that_was_cut_off(tmp_path: Path) -> None:
    figures = Figures(tmp_path, "dump")
    figures.add("an image", 5.0, "ms")
    figures.add("an image", 4.0, "ms")
    figures.add("8K", "out of memory")
    with (tmp_path / "figures.jsonl").open("a") as file:
        file.write('{"part": "dump", "wh')
    read = read_figures(tmp_path)
    assert [(figure.what, figure.value) for figure in read] == [("an image", 4.0), ("8K", "out of memory")]
    assert "| dump | 8K | out of memory |  |  |" in as_table(read, {"device": "cpu"})
