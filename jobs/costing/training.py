"""What trainings cost: the images of all steps, forwards with all heads and twice as much back."""

from __future__ import annotations

from jobs.costing.cost import FLOAT, Cost
from jobs.costing.pace import FORWARD_AND_BACK, pace_of
from jobs.costing.rates import Numbers
from jobs.costing.sources import trained_detector, trained_ranker
from pipeline.engine.graph import Node
from stages.train_detector import TrainDetector
from stages.train_ranker import TrainRanker

_COPIES = 2  # of a checkpoint: its row, and the file at the store's top
_ONCE_MORE = 4 / 3  # with micro-batches, an image goes forwards through the network once more


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
