"""Which images a node works on: how many and of what sizes, by its dataset's settings; no file is opened."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.costing.rates import WIDER_COUNTS, WIDER_SHAPES, Shape
from pipeline.data.datasets.mosaic.dataset import Mosaic
from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.datasets.wider_face.dataset import WiderFace
from pipeline.engine.graph import Graph, Node
from stages.index import Index

OWN_IMAGES = 1000  # of a folder of one's own, whose number no config says


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
