"""Evaluated runs of a report: names, protocol, AP and times, found along the graph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import numpy as np

from pipeline.engine.manifest import Artifact
from pipeline.evaluation.run_result import RunResult
from pipeline.evaluation.wider_ap import ApCounts
from pipeline.models.checkpoint import AGREEMENT, published_detector
from stages.lineage import Lineage, is_text
from stages.rerank import Rerank
from stages.rerank_by_agreement import RerankByAgreement

ORACLE: Final = "best order (oracle)"


def median_edge(samples: Artifact) -> float:
    """Returns the median long edge of the readable images in pixels, 0 without any: where original size is shown."""
    sizes = [max(row["width"], row["height"]) for row in samples.rows(["width", "height"])]
    return float(np.median([size for size in sizes if size])) if any(sizes) else 0.0


def run_of(line: Lineage, original: float, seen_by: Sequence[str]) -> RunResult:
    """Returns a run as a page shows it.

    Args:
        line: what it came from.
        original: pixels of the long edge that "original" is shown at.
        seen_by: the candidates of every run of the page, by node: two runs on the same ones have other names.
    """
    rows = list(line.ap.rows()) if line.ap else []
    counts = {
        row["subset"]: ApCounts(
            row["faces"], row["images"], row["boxes"], np.asarray(row["proposals"]), np.asarray(row["matches"])
        )
        for row in rows
    }
    suppress, predict = line.detections.params, line.candidates.params
    several = len(line.found_by) > 1
    seen = " + ".join(filter(None, dict.fromkeys(map(_seen, line.found_by if several else (line.candidates,)))))
    edge = original if seen == "original" else float(seen) if seen.isdigit() else 0.0
    way, ranker = _way(line)
    trained, weights = _network(line.detector, line.candidates)
    protocol = {
        **(json.loads(rows[0]["protocol"]) if rows else {}),
        **ranker,
        "score_cut": suppress.get("score"),
        "nms": suppress.get("iou"),
        "candidates per image": predict.get("max_candidates"),
        "scales": seen or None,
        "weights": weights,
    }
    known = [_detector(each) for each in line.found_by] if several else [_detector(line.candidates, trained)]
    detector = " + ".join(dict.fromkeys(known))
    # Two runs on the same candidates are named after what was made of them.
    name = line.candidates.node if seen_by.count(line.candidates.node) == 1 else line.detections.node
    ap, times = {row["subset"]: row["ap"] for row in rows}, line.times
    return RunResult(name, detector, seen, protocol, ap, counts, way, edge, times, line.image_ms, way == ORACLE)


def _seen(candidates: Artifact) -> str:
    """Returns the canvas of a dump, or its mode; "" of boxes of others, whose canvas is not known."""
    if is_text(candidates):
        return ""
    mode = candidates.params.get("mode", "single")
    return str(candidates.params.get("canvas") if mode == "single" else mode)


def _detector(candidates: Artifact, trained: str = "") -> str:
    """Returns the name of the detector of a dump, as far as it is known."""
    if is_text(candidates):
        return "published predictions"
    _, weights = _network(None, candidates)
    return str(candidates.params.get("detector") or trained or published_detector(weights) or "as the weights say")


def _network(checkpoint: Artifact | None, user: Artifact) -> tuple[str, str]:
    """Returns name and content hash of a network: as it was trained here, or as the file was that a node used."""
    if checkpoint is None:
        return "", str(user.manifest.fingerprint_fields["file_hashes"].get("weights", ""))
    row = next(checkpoint.rows(["detector", "content_hash"]))
    return str(row["detector"]), str(row["content_hash"])


def _way(line: Lineage) -> tuple[str, dict[str, str]]:
    """Returns how candidates became these detections, and what of a ranker belongs to the protocol."""
    stage = line.detections.manifest.fingerprint_fields["stage"]
    if stage == "oracle":
        return ORACLE, {}
    if stage not in (Rerank.name, RerankByAgreement.name):
        return "as detected", {}
    name, weights = _network(line.ranker, line.detections)
    by_agreement = stage == RerankByAgreement.name
    name = name or (AGREEMENT if by_agreement else "a ranker")
    sees = "no image" if by_agreement else line.detections.params["canvas"]
    return f"re-ranked by {name}", {"ranker": name, "ranker weights": weights, "ranker sees": sees}
