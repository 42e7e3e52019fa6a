"""Every stage by the name that configs use: the whole pipeline's vocabulary on one page.

    index -> samples -> predict -> candidates -> suppress -> detections -> evaluate -> AP -> report
                                                  detections of several -> fuse -> detections
    index -> samples -> train_detector -> checkpoint -> predict
    index -> samples -> statistics -> report
    samples, candidates of several -> label_candidates -> labelled candidates -> train_ranker -> checkpoint
    samples, candidates, checkpoint -> rerank -> detections
    samples, detections and candidates of several -> label_agreement -> labelled boxes -> train_agreement -> checkpoint
    detections and candidates of several, checkpoint -> rerank_by_agreement -> detections
    samples, detections, checkpoint -> redetect -> detections
    samples, text files -> text_predictions -> detections
    samples, candidates -> oracle -> detections;  candidates in several orders -> ranking_accuracy -> report
    samples, detections, labels at `path` -> benchmark -> figures;  figures of several -> benchmark_table, report
    AP of several -> table;  table and report follow the graph back to detections, candidates and checkpoints

A new stage is a new file beside this one and one line in `STAGES`; configs wire stages. A process imports the stages
of its config and no others.
"""

from __future__ import annotations

from typing import Final

from pipeline.engine.lazy_table import LazyTable
from pipeline.engine.stage import Stage

STAGES: Final[LazyTable[type[Stage]]] = LazyTable(
    {
        "index": "stages.index.Index",
        "statistics": "stages.statistics.Statistics",
        "train_detector": "stages.train_detector.TrainDetector",
        "predict": "stages.predict.Predict",
        "text_predictions": "stages.text_predictions.TextPredictions",
        "suppress": "stages.suppress.Suppress",
        "rerank": "stages.rerank.Rerank",
        "rerank_by_agreement": "stages.rerank_by_agreement.RerankByAgreement",
        "redetect": "stages.redetect.Redetect",
        "fuse": "stages.fuse.Fuse",
        "label_candidates": "stages.label_candidates.LabelCandidates",
        "train_ranker": "stages.train_ranker.TrainRanker",
        "label_agreement": "stages.label_agreement.LabelAgreement",
        "train_agreement": "stages.train_agreement.TrainAgreement",
        "oracle": "stages.oracle.Oracle",
        "ranking_accuracy": "stages.ranking_accuracy.RankingAccuracy",
        "evaluate": "stages.evaluate.Evaluate",
        "benchmark": "stages.benchmark.Benchmark",
        "benchmark_table": "stages.benchmark_table.BenchmarkTable",
        "report": "stages.report.Report",
        "table": "stages.table.Table",
    }
)
