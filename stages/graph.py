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

A new stage is a new file beside this one and one line in `STAGES`; configs wire stages.
"""

from __future__ import annotations

from pipeline.engine.registry import Registry
from pipeline.engine.stage import Stage
from stages.benchmark import Benchmark
from stages.benchmark_table import BenchmarkTable
from stages.evaluate import Evaluate
from stages.fuse import Fuse
from stages.index import Index
from stages.label_agreement import LabelAgreement
from stages.label_candidates import LabelCandidates
from stages.oracle import Oracle
from stages.predict import Predict
from stages.ranking_accuracy import RankingAccuracy
from stages.redetect import Redetect
from stages.report import Report
from stages.rerank import Rerank
from stages.rerank_by_agreement import RerankByAgreement
from stages.statistics import Statistics
from stages.suppress import Suppress
from stages.table import Table
from stages.text_predictions import TextPredictions
from stages.train_agreement import TrainAgreement
from stages.train_detector import TrainDetector
from stages.train_ranker import TrainRanker

STAGES: Registry[type[Stage]] = Registry(
    "stage",
    {
        Index.name: Index,
        Statistics.name: Statistics,
        TrainDetector.name: TrainDetector,
        Predict.name: Predict,
        TextPredictions.name: TextPredictions,
        Suppress.name: Suppress,
        Rerank.name: Rerank,
        RerankByAgreement.name: RerankByAgreement,
        Redetect.name: Redetect,
        Fuse.name: Fuse,
        LabelCandidates.name: LabelCandidates,
        TrainRanker.name: TrainRanker,
        LabelAgreement.name: LabelAgreement,
        TrainAgreement.name: TrainAgreement,
        Oracle.name: Oracle,
        RankingAccuracy.name: RankingAccuracy,
        Evaluate.name: Evaluate,
        Benchmark.name: Benchmark,
        BenchmarkTable.name: BenchmarkTable,
        Report.name: Report,
        Table.name: Table,
    },
)
