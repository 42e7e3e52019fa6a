"""What the nodes of a config cost."""

from __future__ import annotations

from jobs.costing.cost import Cost
from jobs.costing.learning import training
from jobs.costing.looking import dump, join, ranking
from pipeline.engine.config import Config
from stages.label_candidates import LabelCandidates
from stages.predict import Predict
from stages.rerank import Rerank
from stages.train_detector import TrainDetector
from stages.train_ranker import TrainRanker


def costs_of(config: Config) -> list[Cost]:
    """Returns what every node costs that runs a network or holds candidates as they were found, in the graph's order.

    The rest (lists of images, suppression, evaluation, pages) is minutes of CPU and few bytes, and not told.
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
                found.append(ranking(config, node, stage))
            case LabelCandidates() as stage:
                found.append(join(config, node, stage))
    return found
