"""The notebook is plain JSON without outputs, and its cells run one after the other."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import pipeline
from tests.api.conftest import ranker_weights, weights

__all__ = ["ranker_weights", "weights"]

NOTEBOOK: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[1] / "docs/notebook.ipynb").read_text(encoding="utf-8")
)
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_nothing_that_was_computed_is_stored() -> None:
    assert NOTEBOOK["nbformat"] == 4
    for cell in NOTEBOOK["cells"]:
        assert cell.get("outputs", []) == [] and cell.get("execution_count") is None
        assert cell["metadata"] == {}


@pytest.mark.slow
def test_every_cell_runs_and_its_results_are_evaluations(
    weights: Path, ranker_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an untrained detector in the place of the smoke run's: what AP it has is not the point."""
    smoke = tmp_path / "runs/smoke"
    smoke.mkdir(parents=True)
    (smoke / "detector.safetensors").write_bytes(weights.read_bytes())
    (smoke / "ranker.safetensors").write_bytes(ranker_weights.read_bytes())
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, source in enumerate(CODE):
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"cell {number}", "exec"), names)
        if last is not None:  # what a notebook would show
            assert repr(eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names))
    assert len(names["labels"]) == 8
    assert {result.images for result in names["results"].values()} == {8}
    assert {result.protocol["name"] for result in names["results"].values()} == {"wider", "voc", "coco"}
    assert isinstance(names["ranked"]["00"], pipeline.Faces)
    assert names["faces"].draw().shape == (256, 256, 3)
