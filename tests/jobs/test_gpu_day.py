"""The GPU day runs on two cores too, part by part, keeps its figures and does nothing twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.gpu.figures import Figures, as_table, read_figures
from jobs.gpu.parts import PARTS

ROOT = Path(__file__).resolve().parents[2]


def day(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "jobs/gpu_day.py", "run", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)


@pytest.mark.slow
def test_parts_run_on_a_cpu_and_are_not_run_twice(tmp_path: Path) -> None:
    small = ("--device", "cpu", "--tiny", "--out", str(tmp_path), "--shared", str(tmp_path))
    chosen = ("dump-retinaface_mobilenet", "rank-crface_mobilenet")
    for name in PARTS:
        if name not in chosen:
            (tmp_path / f"{name}.done").touch()
    first = day(*small)
    assert first.returncode == 0, first.stderr
    assert {each.part for each in read_figures(tmp_path)} == set(chosen)
    assert "did not end well" not in first.stdout
    assert "| dump-retinaface_mobilenet | 64 float32, torch, images/s |" in (tmp_path / "table.md").read_text()
    begun = [line for line in day(*small).stdout.splitlines() if line.endswith("...")]
    assert begun == []


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
    assert [(each.what, each.value) for each in read] == [("an image", 4.0), ("8K", "out of memory")]
    assert "| dump | 8K | out of memory |  |  |" in as_table(read, {"device": "cpu"})
