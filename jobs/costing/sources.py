"""Which network a node runs, by its config: named, trained by a node, or a file that another config makes."""

from __future__ import annotations

from pathlib import Path

from jobs.costing.networks import Network
from pipeline.engine.config import Config, load_config
from pipeline.engine.graph import Node
from pipeline.models.detectors.six_levels import Decides
from pipeline.models.rankers.preprocessing import Preprocessing
from stages.graph import STAGES
from stages.predict import Predict
from stages.train_detector import TrainDetector
from stages.train_ranker import TrainRanker

PUBLISHED = Network("retinaface_mobilenet")  # the weights that configs name which leave the detector to their file


def detector_of(config: Config, node: Node, stage: Predict) -> Network:
    """Returns the detector of a dump."""
    trained = _trained(config, node)
    if isinstance(trained, TrainDetector):
        return trained_detector(trained, stage.decides)
    return Network.of(stage.detector or PUBLISHED.name, {}, stage.decides)


def ranker_of(config: Config, node: Node) -> tuple[Network, Preprocessing]:
    """Returns the ranker of a node that ranks, and how it is given an image.

    Raises:
        ValueError: its file is not what a config beside this one publishes.
    """
    trained = _trained(config, node)
    if not isinstance(trained, TrainRanker):
        trained = _published(config, node)
    return trained_ranker(trained), trained.recipe.preprocessing


def trained_detector(stage: TrainDetector, decides: Decides | None = None) -> Network:
    """Returns the detector of a training, as it is used with `decides` of a dump."""
    return Network.of(stage.detector, stage.model_args, decides)


def trained_ranker(stage: TrainRanker) -> Network:
    """Returns the ranker of a training."""
    return Network.of(stage.ranker, {**stage.model_args, "num_candidates": stage.recipe.num_candidates})


def _trained(config: Config, node: Node) -> object:
    wired = node.inputs.get("checkpoint")
    return config.graph.nodes[wired[0]].stage if wired else None


def _published(config: Config, node: Node) -> TrainRanker:
    """Returns the training whose file, <store>/<node>.safetensors, is a node's weights."""
    file = Path(node.path or "")
    for beside in sorted(config.path.parent.glob("*.yaml")):
        if beside.stem == file.parent.name:
            other = load_config(beside, STAGES).graph.nodes.get(file.stem)
            if other is not None and isinstance(other.stage, TrainRanker):
                return other.stage
    raise ValueError(
        f"{config.path}: {node.name}: no config beside it trains {node.path}: which ranker that is is not known"
    )
