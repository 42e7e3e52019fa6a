"""What the nodes of a config cost."""

from __future__ import annotations

from jobs.costing.cost import Cost
from jobs.costing.passes import dump, labelling, reranking
from jobs.costing.training import training
from pipeline.engine.config import Config
from stages.label_candidates import LabelCandidates
from stages.predict import Predict
from stages.rerank import Rerank
from stages.train_detector import TrainDetector
from stages.train_ranker import TrainRanker


def costs_of(config: Config) -> list[Cost]:
    """Returns what every node costs that runs a network or holds candidates as they were found, in the graph's order.

    The rest (lists of images, suppression, evaluation, pages) is minutes of CPU and few bytes, and left out.
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
