"""What nodes cost: trainings, dumps of detectors, re-ranking, labelled candidates for rankers; in work and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from jobs.costing.networks import Network
from jobs.costing.pace import FORWARD_AND_BACK, pace_of
from jobs.costing.rates import DUMP_BYTES, Numbers, Work
from jobs.costing.sources import ImageSet, detector_of, images_of, ranker_of, trained_detector, trained_ranker
from pipeline.data.canvas import ORIGINAL, parse_canvas
from pipeline.data.schemas import DETECTIONS, FLOATS, LABELLED_CANDIDATES
from pipeline.engine.config import Config
from pipeline.engine.graph import Node
from pipeline.inference.test_time import MODES, SINGLE
from pipeline.models.rankers.ranker import ROWS
from stages.label_candidates import LabelCandidates
from stages.predict import Predict
from stages.rerank import Rerank
from stages.train_detector import TrainDetector
from stages.train_ranker import TrainRanker

FLOAT: Final = 4  # bytes of a number
COLOURS: Final = 3  # bytes of a pixel
_LANDMARKS: Final = 10  # numbers of a candidate
_COPIES = 2  # of a checkpoint: its row, and the file at the store's top
_ONCE_MORE = 4 / 3  # with micro-batches, an image goes forwards through the network once more
Pass = tuple[float, int, int]
"""A pass over a share of all images (shares may add up to more than 1), each of so many pixels, across and down."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one node costs, or something that is cut like one.

    Attributes:
        node: its name.
        kind: "training", "dump", "re-ranking" or "labelling".
        network: entry of `DETECTORS` or `RANKERS`, empty without one.
        amount: what is done so often, in words.
        operations: floating-point operations of all of it.
        seconds: of one GPU that does nothing else.
        measured: whether this network was, see `Pace.measured`.
        raw: bytes of the numbers that go into the store.
        stored: bytes that they take there.
        pixels: bytes of enlarged images, made and forgotten in the workers.
        on_gpu: whether the config puts it on one.
    """

    node: str = ""
    kind: str = ""
    network: str = ""
    amount: str = ""
    operations: float = 0.0
    seconds: float = 0.0
    measured: bool = False
    raw: float = 0.0
    stored: float = 0.0
    pixels: float = 0.0
    on_gpu: bool = False


def costs_of(config: Config) -> list[Cost]:
    """Returns what every node costs that runs a network or holds candidates as they were found, in the graph's order.

    The rest (lists of images, suppression, evaluation, pages) is minutes of CPU and few bytes, and left out; so are
    boxes examined again, whose number is not known before.
    """
    found = list[Cost]()
    for name in config.graph.order:
        node = config.graph.nodes[name]
        match node.stage:
            case TrainDetector() | TrainRanker() as stage:
                found.append(training(node, stage))
            case Predict() as stage:
                found.append(dump(config, node, stage))
            case Rerank() as stage:
                found.append(reranking(config, node, stage))
            case LabelCandidates() as stage:
                found.append(labelling(config, node, stage))
    return found


def training(node: Node, stage: TrainDetector | TrainRanker) -> Cost:
    """Returns the cost of a training: steps x batch x operations of an image, of all GPUs together.

    Layers that are frozen are counted like the others, and a part of a ranker that is computed again once.
    """
    network = trained_detector(stage) if isinstance(stage, TrainDetector) else trained_ranker(stage)
    recipe = stage.recipe
    numbers: Numbers = "bfloat16" if recipe.bf16 else "float32"
    images, sides = recipe.steps * recipe.batch, recipe.sides
    passes = FORWARD_AND_BACK * (_ONCE_MORE if recipe.micro_batches > 1 else 1)
    each = passes * sum(network.flops(side, side, training=True) for side in sides) / len(sides)
    pace, parameters = pace_of(network, "training", numbers), network.parameters
    shown = " or ".join(map(str, sides))
    return Cost(
        node.name,
        "training",
        network.name,
        f"{recipe.steps:,} x {recipe.batch} x {shown} px, {numbers}",
        operations=images * each,
        seconds=images * pace.seconds(each),
        measured=pace.measured,
        raw=_COPIES * FLOAT * parameters,
        stored=_COPIES * FLOAT * parameters,
        on_gpu=node.resources.gpus > 0,
    )


def dump(config: Config, node: Node, stage: Predict) -> Cost:
    """Returns the cost of a dump; the bytes that several fused passes leave are not known and not counted."""
    images, network = images_of(config.graph, node), detector_of(config, node, stage)
    if stage.mode == SINGLE:
        passes, name = canvas_passes(images, stage.canvas), stage.canvas
        kept = stage.max_candidates
    else:
        mode, name = MODES.find(stage.mode), stage.mode
        passes = [
            (shape.share, *each.sizing.size(shape.width, shape.height))
            for shape in images.shapes
            for each in mode.passes(shape.width, shape.height)
        ]
        kept = stage.max_candidates if mode.fusion is None else 0
    found = network_cost(images, network, stage.precision, passes)
    return written(_of_node(found, node, "dump", images, name), images.count * kept, network.landmarks)


def reranking(config: Config, node: Node, stage: Rerank) -> Cost:
    """Returns the cost of re-ranking; the bytes that suppression leaves are not known and not counted."""
    images, (network, preprocessing) = images_of(config.graph, node), ranker_of(config, node)
    if stage.canvas is not None:
        preprocessing = replace(preprocessing, canvas=parse_canvas(stage.canvas))
    passes = [(each.share, *preprocessing.size(each.width, each.height)) for each in images.shapes]
    found = network_cost(images, network, "float32", passes, "rank")
    found = _of_node(
        found, node, "re-ranking", images, str(preprocessing.canvas), " in a square" if preprocessing.square else ""
    )
    kept = min(stage.max_candidates or ROWS, stage.max_detections or ROWS) if stage.iou is None else 0
    # Landmarks, where the dump has any, go along.
    source = config.graph.nodes[node.inputs["candidates"][0]]
    landmarks = isinstance(source.stage, Predict) and detector_of(config, source, source.stage).landmarks
    return written(found, images.count * kept, landmarks)


def labelling(config: Config, node: Node, stage: LabelCandidates) -> Cost:
    """Returns the cost of labelled candidates: bytes alone; overlaps are counted as if they could not be compressed."""
    images, dumps = images_of(config.graph, node), node.inputs["candidates"]
    columns = sum(field.type == FLOATS for field in LABELLED_CANDIDATES)
    candidates = images.count * len(dumps) * stage.max_candidates
    amount = f"{images.count:,} images, {len(dumps)} {'dump' if len(dumps) == 1 else 'dumps'}"
    stored = candidates * (DUMP_BYTES[False] + FLOAT * columns - candidate_bytes(False))
    return Cost(node.name, "labelling", "", amount, raw=candidates * FLOAT * columns, stored=stored)


def network_cost(
    images: ImageSet, network: Network, numbers: Numbers, passes: Sequence[Pass], work: Work = "image"
) -> Cost:
    """Returns the cost of a network's passes over images, nothing of it written."""
    pace = pace_of(network, work, numbers)
    every = [(share * images.count, network.flops(width, height)) for share, width, height in passes]
    return Cost(
        network=network.name,
        operations=sum(count * operations for count, operations in every),
        seconds=sum(count * pace.seconds(operations) for count, operations in every),
        measured=pace.measured,
        pixels=COLOURS * images.count * sum(share * width * height for share, width, height in passes),
    )


def canvas_passes(images: ImageSet, canvas: str) -> list[Pass]:
    """Returns one pass over every image on a canvas."""
    size = parse_canvas(canvas).size
    return [(each.share, *size(each.width, each.height)) for each in images.shapes]


def candidate_bytes(landmarks: bool) -> int:
    """Returns the bytes of one candidate of a dump by its schema, before compression."""
    plain = sum(field.type == FLOATS for field in DETECTIONS if field.name != "landmarks")
    return FLOAT * (plain + _LANDMARKS * landmarks)


def written(cost: Cost, candidates: float, landmarks: bool) -> Cost:
    """Returns a cost with the bytes of so many candidates."""
    return replace(cost, raw=candidates * candidate_bytes(landmarks), stored=candidates * DUMP_BYTES[landmarks])


def _of_node(cost: Cost, node: Node, kind: str, images: ImageSet, size: str, more: str = "") -> Cost:
    """Returns a cost as that of a node; images at their original size are enlarged nowhere."""
    shown = "8K" if size == str(parse_canvas("8k")) else size
    pixels = 0.0 if size == str(ORIGINAL) else cost.pixels
    on_gpu = node.resources.gpus > 0
    return replace(
        cost, node=node.name, kind=kind, amount=f"{images.count:,} images, {shown}{more}", pixels=pixels, on_gpu=on_gpu
    )
