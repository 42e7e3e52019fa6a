"""What --tiny leaves of a config: its nodes and their wiring, with nothing large and nothing from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.engine.config import load_config
from pipeline.evaluation.paper_items import read_items
from stages.cli.tiny import tiny_sets, write_tiny_files
from stages.graph import STAGES
from stages.index import Index
from stages.packaged_configs import CONFIGS
from stages.predict import Predict
from stages.train_detector import TrainDetector
from stages.train_ranker import TrainRanker

USED = sorted({item.config for item in read_items(CONFIGS / "papers").values() if item.config})


@pytest.mark.parametrize("name", USED)
def test_everything_is_small_and_the_graph_is_the_same(name: str, tmp_path: Path) -> None:
    config = load_config(CONFIGS / name, STAGES)
    graph = load_config(CONFIGS / name, STAGES, tiny_sets(config, tmp_path)).graph
    assert {each: node.inputs for each, node in graph.nodes.items()} == {
        each: node.inputs for each, node in config.graph.nodes.items()
    }
    for node in graph.nodes.values():
        match node.stage:
            case Index():
                assert isinstance(node.stage.dataset, Synthetic) and node.stage.dataset.images <= 5
            case TrainDetector() | TrainRanker():
                assert node.stage.recipe.steps <= 3 and not node.stage.model_args.get("pretrained")
            case Predict() if not node.inputs.get("checkpoint"):
                assert str(node.path).startswith(str(tmp_path))


def test_what_sets_the_rows_of_an_ablation_apart_stays(tmp_path: Path) -> None:
    for name, field, count in (
        ("ablation_assigners", "recipe.assigner", 7),
        ("ablation_ratios", "recipe.sse_shares", 12),
        ("ablation_hcam", "model_args", 4),
        ("crface_ablation_loss", "recipe.loss", 6),
        ("crface_ablation_pairs", "recipe.pairs", 8),
    ):
        config = load_config(CONFIGS / f"{name}.yaml", STAGES)
        graph = load_config(CONFIGS / f"{name}.yaml", STAGES, tiny_sets(config, tmp_path)).graph
        values = []
        for node in graph.nodes.values():
            if isinstance(node.stage, TrainDetector | TrainRanker):
                value: object = node.stage
                for part in field.split("."):
                    value = getattr(value, part)
                values.append(str(value))
        assert len(set(values)) == count, name


def test_files_are_written_only_for_nodes_that_need_them(tmp_path: Path) -> None:
    write_tiny_files(load_config(CONFIGS / "statistics.yaml", STAGES), tmp_path / "none")
    assert list((tmp_path / "none").iterdir()) == []
    write_tiny_files(load_config(CONFIGS / "published.yaml", STAGES), tmp_path / "text")
    (found,) = (tmp_path / "text").iterdir()
    assert len(list(found.rglob("*.txt"))) > 1
