"""What the configs of CRFace say of the paper, and what they must not say otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.config import load_config
from pipeline.engine.graph import Graph, Node
from stages.graph import STAGES
from stages.rerank import Rerank
from stages.table import Table
from stages.train_detector import TrainDetector
from stages.train_ranker import TrainRanker

ROOT = Path(__file__).resolve().parents[2] / "configs"
CONFIGS = sorted(ROOT.glob("*.yaml"))
BASELINE = {"ap_single": (95.8, 95.2, 91.5)}
TABLES = {
    "crface_ablation_loss": {
        **BASELINE,
        "ap_cross_entropy": (95.0, 94.0, 89.7),
        "ap_l1": (95.1, 94.4, 90.0),
        "ap_l2": (95.1, 94.3, 90.4),
        "ap_smooth_l1": (95.2, 94.5, 90.7),
        "ap_rank": (96.9, 96.2, 92.7),
    },
    "crface_ablation_pairs": {
        **BASELINE,
        "ap_n1": (96.7, 95.8, 91.9),
        "ap_n2": (96.8, 95.9, 92.2),
        "ap_n3": (96.7, 95.9, 92.1),
        "ap_n5": (96.8, 96.0, 92.3),
        "ap_n10": (96.9, 96.2, 92.7),
        "ap_n20": (96.8, 96.0, 92.4),
        "ap_n50": (96.8, 95.9, 92.1),
        "ap_n100": (96.7, 95.8, 91.9),
    },
    "crface": {**BASELINE, "ap_crface": (96.9, 96.2, 92.7)},
}
"""Easy, medium and hard AP as printed in Tables 1 to 3; for rescaled margins the paper prints none."""


def graph_of(name: str) -> Graph:
    return load_config(ROOT / f"{name}.yaml", STAGES).graph


def nodes(kind: type) -> list[tuple[str, Graph, Node]]:
    found = []
    for file in CONFIGS:
        graph = load_config(file, STAGES).graph
        found += [(f"{file.stem}: {node.name}", graph, node) for node in graph.nodes.values()]
    return [each for each in found if isinstance(each[2].stage, kind)]


@pytest.mark.parametrize("name", TABLES)
def test_figures_are_the_papers(name: str) -> None:
    """Every row that the paper has, the detector's own order among them, and no other."""
    node = graph_of(name).nodes["table"]
    assert isinstance(node.stage, Table)
    assert node.stage.paper == TABLES[name]
    assert TABLES[name].keys() <= set(node.inputs["ap"])


def test_the_baseline_is_the_detectors_own_order() -> None:
    for name in TABLES:
        graph = graph_of(name)
        (found,) = graph.nodes["ap_single"].inputs["detections"]
        (candidates,) = graph.nodes[found].inputs["candidates"]
        ranked = [node for node in graph.nodes.values() if isinstance(node.stage, Rerank) and node.stage.iou]
        assert graph.nodes[found].stage.name == "suppress" and len(ranked) > 1
        for node in ranked:
            assert node.inputs["candidates"] == (candidates,)
            assert graph.nodes[found].stage.iou == node.stage.iou  # type: ignore[attr-defined]


def test_no_config_writes_scores_that_tie() -> None:
    found = nodes(Rerank)
    assert len(found) > 20
    assert [name for name, _, node in found if node.stage.score_format == "clip"] == []  # type: ignore[attr-defined]


def test_rankers_of_whole_images_are_used_as_they_were_trained() -> None:
    """Another size than that of the training is another image, and other rows of the table are read in it."""
    checked = 0
    for name, graph, node in nodes(Rerank):
        assert isinstance(node.stage, Rerank)
        for checkpoint in node.inputs.get("checkpoint", ()):
            training = graph.nodes[checkpoint].stage
            assert isinstance(training, TrainRanker)
            if training.recipe.whole:
                assert node.stage.canvas is None, name
                checked += 1
    assert checked > 10


def test_hambox_is_that_of_crface() -> None:
    """Without pyramid anchor, deep head and regression-aware loss (CRFace, section 3)."""
    seen: list[str] = []
    for name, _, node in nodes(TrainDetector):
        stage: Any = node.stage
        if stage.detector.startswith(("hambox", "hrnet")):
            seen.append(name)
            assert not stage.recipe.regression_aware, name
            assert not {"deep_head", "pyramid_anchor"} & stage.model_args.keys(), name
            assert stage.recipe.assigner in ("auto", "hambox"), name
    assert {name.split(":")[0] for name in seen} == {"detectors", "full"}
