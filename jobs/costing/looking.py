"""What nodes cost that look at every image: dumps of detectors, rankings, joins of dumps that rankers learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobs.costing.cost import COLOURS, FLOAT, Cost, candidate_bytes
from jobs.costing.networks import Network
from jobs.costing.pace import pace_of
from jobs.costing.pictures import Pictures, pictures_of
from jobs.costing.rates import DUMP_BYTES, Numbers, Work
from jobs.costing.sources import detector_of, ranker_of
from pipeline.data.canvas import ORIGINAL, parse_canvas
from pipeline.data.schemas import FLOATS, LABELLED_CANDIDATES
from pipeline.engine.config import Config
from pipeline.engine.graph import Node
from pipeline.inference.test_time import MODES, Mode
from pipeline.models.rankers.ranker import ROWS
from stages.label_candidates import LabelCandidates
from stages.predict import SINGLE, Predict
from stages.rerank import Rerank

Look = tuple[float, int, int]
"""Of so many images (a share of all, which may add up to more than 1) a picture of so many pixels, across and down."""


def dump(config: Config, node: Node, stage: Predict) -> Cost:
    """Returns the cost of a dump; what is left of several looks that are fused is not known, and its bytes not told."""
    pictures, network = pictures_of(config.graph, node), detector_of(config, node, stage)
    if stage.mode == SINGLE:
        found = seen(pictures, network, stage.precision, canvas_looks(pictures, stage.canvas))
        kept, name = stage.max_candidates, _named(stage.canvas)
    else:
        mode = MODES.find(stage.mode)
        found = seen(pictures, network, stage.precision, _mode_looks(pictures, mode))
        kept, name = stage.max_candidates if mode.fusion is None else 0, stage.mode
    amount = f"{pictures.count:,} images, {name}"
    found = replace(found, node=node.name, kind="dump", amount=amount, on_gpu=node.resources.gpus > 0)
    if stage.mode == SINGLE and stage.canvas == str(ORIGINAL):
        found = replace(found, pixels=0.0)
    return written(found, pictures.count * kept, network.landmarks)


def ranking(config: Config, node: Node, stage: Rerank) -> Cost:
    """Returns the cost of re-ranking; what suppression leaves is not known, and its bytes are not told."""
    pictures, (network, frame) = pictures_of(config.graph, node), ranker_of(config, node)
    if stage.size is not None:
        frame = replace(frame, canvas=parse_canvas(stage.size))
    looks = [(each.share, *frame.size(each.width, each.height)) for each in pictures.shapes]
    found = seen(pictures, network, "float32", looks, "rank")
    size = str(frame.canvas)
    amount = f"{pictures.count:,} images, {_named(size)}{' in a square' if frame.square else ''}"
    found = replace(found, node=node.name, kind="ranking", amount=amount, on_gpu=node.resources.gpus > 0)
    if size == str(ORIGINAL):
        found = replace(found, pixels=0.0)
    kept = min(stage.max_candidates or ROWS, stage.max_detections or ROWS) if stage.iou is None else 0
    # Landmarks, where the dump has any, go along.
    return written(found, pictures.count * kept, landmarks=_landmarks_of(config, node.inputs["candidates"][0]))


def join(config: Config, node: Node, stage: LabelCandidates) -> Cost:
    """Returns the cost of a join: bytes alone; its overlaps are counted as if they could not be compressed."""
    pictures, dumps = pictures_of(config.graph, node), node.inputs["candidates"]
    columns = sum(field.type == FLOATS for field in LABELLED_CANDIDATES)
    candidates = pictures.count * len(dumps) * stage.max_candidates
    amount = f"{pictures.count:,} images, {len(dumps)} {'dump' if len(dumps) == 1 else 'dumps'}"
    overlaps = FLOAT * columns - candidate_bytes(False)
    stored = candidates * (DUMP_BYTES[False] + overlaps)
    return Cost(node.name, "join", "", amount, raw=candidates * FLOAT * columns, stored=stored)


def seen(pictures: Pictures, network: Network, numbers: Numbers, looks: Sequence[Look], work: Work = "image") -> Cost:
    """Returns what it costs that a network sees pictures of images, nothing of it written."""
    pace = pace_of(network, work, numbers)
    every = [(share * pictures.count, network.flops(width, height)) for share, width, height in looks]
    return Cost(
        "",
        "",
        network.name,
        "",
        operations=sum(count * operations for count, operations in every),
        seconds=sum(count * pace.seconds(operations) for count, operations in every),
        measured=pace.measured,
        pixels=COLOURS * pictures.count * sum(share * width * height for share, width, height in looks),
    )


def canvas_looks(pictures: Pictures, canvas: str) -> list[Look]:
    """Returns one look at every image on a canvas."""
    size = parse_canvas(canvas).size
    return [(each.share, *size(each.width, each.height)) for each in pictures.shapes]


def written(cost: Cost, candidates: float, landmarks: bool) -> Cost:
    """Returns a cost with the bytes of so many candidates."""
    return replace(cost, raw=candidates * candidate_bytes(landmarks), stored=candidates * DUMP_BYTES[landmarks])


def _mode_looks(pictures: Pictures, mode: Mode) -> list[Look]:
    return [
        (shape.share, *each.sizing.size(shape.width, shape.height))
        for shape in pictures.shapes
        for each in mode.passes(shape.width, shape.height)
    ]


def _landmarks_of(config: Config, name: str) -> bool:
    node = config.graph.nodes[name]
    return isinstance(node.stage, Predict) and detector_of(config, node, node.stage).landmarks


def _named(canvas: str) -> str:
    return "8K" if canvas == str(parse_canvas("8k")) else canvas
