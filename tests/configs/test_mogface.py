"""The configs that repeat a table of MogFace: their cells are the paper's, and what is trained is what a cell says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine.config import Config, load_config
from stages.graph import STAGES
from stages.predict import Predict
from stages.suppress import Suppress
from stages.table import Table
from stages.train_detector import TrainDetector

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
# Level, then the share in per cent, easy and medium: what the paper prints.
TABLE_1 = {
    4: {20: (67.0, 75.3), 40: (75.3, 82.6), 60: (81.3, 84.5), 80: (84.3, 83.6)},
    5: {20: (81.8, 85.4), 40: (82.2, 85.2), 60: (77.9, 85.0), 80: (73.2, 83.7)},
    6: {20: (86.2, 85.2), 40: (83.1, 80.5), 60: (84.8, 82.2), 80: (83.3, 81.2)},
}


def loaded(name: str) -> Config:
    return load_config(CONFIGS / f"{name}.yaml", STAGES)


def test_table_1_sends_a_share_of_the_faces_to_one_level() -> None:
    nodes = loaded("ablation_ratios").graph.nodes
    trained = {name: node.stage for name, node in nodes.items() if isinstance(node.stage, TrainDetector)}
    assert len(trained) == 12
    table = nodes["table"].stage
    assert isinstance(table, Table)
    assert len(table.paper) == 12
    for level, cells in TABLE_1.items():
        for share, (easy, medium) in cells.items():
            stage = trained[f"detector_p{level}_{share}"]
            assert isinstance(stage, TrainDetector)
            assert stage.recipe.augmentation == "sse"
            shares = list(stage.recipe.sse_shares)
            assert shares.pop(level - 2) == share / 100
            assert shares == pytest.approx([(1 - share / 100) / 5] * 5)
            assert table.paper[f"ap_p{level}_{share}"] == (easy, medium, None)


def test_our_own_sweep_has_a_name_of_its_own_and_no_figures_of_the_paper() -> None:
    config = loaded("ablation_sse_shares")
    assert config.store == "runs/ablation_sse_shares"
    assert config.graph.nodes["table"].stage.paper == {}


@pytest.mark.parametrize("name", ["mogface_full", "mogface_e"])
def test_final_models_are_evaluated_at_several_scales_by_every_reading_of_the_score(name: str) -> None:
    nodes = loaded(name).graph.nodes
    for decides in ("main", "where_masked", "product"):
        single, several = nodes[f"boxes_{decides}"].stage, nodes[f"multi_{decides}"].stage
        assert isinstance(single, Predict) and isinstance(several, Predict)
        assert (single.mode, several.mode) == ("single", "mogface_multi")
        assert single.decides == several.decides == decides
        assert nodes[f"multi_{decides}"].inputs["checkpoint"] == ("detector",)
        assert nodes[f"ap_multi_{decides}"].inputs["detections"] == (f"multi_{decides}",)
    assert len(nodes["table"].inputs["ap"]) == 6
    paper = nodes["table"].stage.paper
    assert set(paper.values()) == ({(97.7, 96.9, 93.8)} if name == "mogface_e" else set())


@pytest.mark.parametrize("file", [*CONFIGS.glob("mogface_*.yaml"), *CONFIGS.glob("ablation_*.yaml")])
def test_every_config_of_mogface_suppresses_by_its_convention(file: Path) -> None:
    found = [node.stage for node in load_config(file, STAGES).graph.nodes.values() if isinstance(node.stage, Suppress)]
    assert found
    assert {(stage.convention, stage.iou) for stage in found} == {("mogface", 0.6)}


def test_every_detector_is_suppressed_by_the_convention_of_its_paper() -> None:
    nodes = loaded("detectors").graph.nodes
    found = {
        name.removeprefix("found_"): node.stage for name, node in nodes.items() if isinstance(node.stage, Suppress)
    }
    assert len(found) == 7
    for name, stage in found.items():
        mogface = ("mogface", 0.01, 5000, 0.6, 750)
        rule = mogface if name.startswith("mogface") else ("retinaface", 0.02, None, 0.4, None)
        assert (stage.convention, stage.score, stage.max_before_nms, stage.iou, stage.max_detections) == rule


def test_what_the_paper_and_its_code_do_otherwise_can_be_trained_from_a_config() -> None:
    """Algorithm 2's crop anywhere, and the released Ali-AMS with and without its mistake."""
    crops = {
        node.stage.recipe.augmentation
        for name, node in loaded("ablation_augmentation").graph.nodes.items()
        if name.startswith("detector_")
    }
    assert {"sse", "sse_anywhere", "sse_official"} <= crops
    rules = {
        node.stage.recipe.assigner
        for name, node in loaded("ablation_assigners").graph.nodes.items()
        if name.startswith("detector_")
    }
    assert {"ali_ams", "ali_ams_official", "ali_ams_own_level"} <= rules
    name = "detector_mogface_baseline"
    for field, value in (("assigner", "ali_ams_official"), ("augmentation", "sse_anywhere")):
        config = load_config(CONFIGS / "detectors.yaml", STAGES, [f"{name}.recipe.{field}={value}"])
        assert getattr(config.graph.nodes[name].stage.recipe, field) == value
