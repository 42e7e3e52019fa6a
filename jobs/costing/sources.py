"""Which images a node works on and which network it runs, by its config alone: no file of a dataset is opened.

A network is named, trained by a node, or a file that another config makes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobs.costing.networks import Network
from jobs.costing.rates import WIDER_COUNTS, WIDER_SHAPES, Shape
from pipeline.data.datasets.mosaic.dataset import Mosaic
from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.datasets.wider_face.dataset import WiderFace
from pipeline.engine.config import Config, load_config
from pipeline.engine.graph import Graph, Node
from pipeline.models.detectors.spec import Decides
from pipeline.models.rankers.preprocessing import Preprocessing
from stages.graph import STAGES
from stages.index import Index
from stages.predict import Predict
from stages.train_detector import TrainDetector
from stages.train_ranker import TrainRanker

OWN_IMAGES = 1000  # of a folder of one's own, whose number no config says
PUBLISHED = Network("retinaface_mobilenet")  # the weights that configs name which leave the detector to their file


@dataclass(frozen=True, slots=True)
class ImageSet:
    """So many images, `shapes` saying their sizes; the shares add up to 1."""

    count: int
    shapes: tuple[Shape, ...]


WIDER_FACE = ImageSet(sum(WIDER_COUNTS.values()), WIDER_SHAPES)


def images_of(graph: Graph, node: Node) -> ImageSet:
    """Returns the images of a node: those of the index that its samples come from.

    Lists of images (`only`) are not read: they are given with `--set`, and shorten what is counted here.
    """
    while not isinstance(node.stage, Index):
        node = graph.nodes[node.inputs["samples"][0]]
    dataset = node.stage.dataset
    if isinstance(dataset, WiderFace):
        return ImageSet(WIDER_COUNTS[dataset.split], WIDER_SHAPES)
    if isinstance(dataset, Mosaic | Synthetic):
        return ImageSet(dataset.images, (Shape(1.0, dataset.width, dataset.height),))
    return ImageSet(OWN_IMAGES, WIDER_SHAPES)


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
