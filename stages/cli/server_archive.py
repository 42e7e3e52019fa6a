"""Detections of a split whose faces only a benchmark's server has: the archive for it, beside the paper's AP."""

from __future__ import annotations

import io

from pipeline.data.datasets.wider_face.submission import TEST_IMAGES, submission_names, write_submission
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import read_detections
from pipeline.evaluation.paper_items import PaperItem
from pipeline.evaluation.paper_tables import PaperRow, beside, only_paper
from stages.cli.finished_run import FinishedRun, PaperResult


def submission_result(item: PaperItem, run: FinishedRun, node: str) -> PaperResult:
    """Returns what the archive holds beside the paper's AP, and the archive itself."""
    rows = [row for table in run.artifact(node).tables() for row in read_detections(table)]
    found = PredictionSet.of(rows)
    archive = io.BytesIO()
    write_submission(found, submission_names(found.image_ids, found.image_ids), archive)
    failed = sum(bool(row.error) for row in rows)
    cells = {"images": f"{len(rows):,}", "boxes": f"{len(found.scores):,}", "unreadable images": str(failed)}
    note = "AP in per cent, which the server gives: it alone has the faces."
    if len(rows) != TEST_IMAGES:
        note += f" It takes the {TEST_IMAGES:,} images of the test split; these are {len(rows):,}."
    rows_of_both = [PaperRow("This archive", cells), *only_paper(item.only_paper)]
    return PaperResult([beside(item.shows, rows_of_both, note)], files={"zip": archive.getvalue()})
