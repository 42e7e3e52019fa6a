"""A finished evaluation or benchmark of a store, read back without its config, with all that led to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import read_detections
from pipeline.engine.manifest import Artifact, Manifest, stored_manifests
from pipeline.engine.storage import Store
from pipeline.evaluation.evaluate_files import EvaluationInputs
from stages.benchmark import Benchmark
from stages.evaluate import Evaluate, evaluated_images

_CONFIG: Final = ("stage", "version", "params", "file_hashes", "dataset")
"""Entries of a fingerprint that are a node's own; its inputs follow from the nodes that made them."""


@dataclass(frozen=True)
class StoredRun:
    """The newest finished output of one node.

    Attributes:
        store: where it is.
        manifest: of the output.
    """

    store: Store
    manifest: Manifest

    def config(self) -> dict[str, Any]:
        """Returns the parameters of the evaluation and, below the name of each input, of all that it came from.

        An output that several nodes read is described where it is met first; one that is no longer stored is left out.
        """
        return self._config(self.manifest, set())

    @cached_property
    def _stored(self) -> Mapping[str, Manifest]:
        """Content hash -> the newest manifest of that content."""
        each_node = (stored_manifests(self.store, node) for node in self.store.folders())
        oldest_first = sorted((m for found in each_node for m in found), key=lambda m: float(m.run.get("finished", 0)))
        return {manifest.content_hash: manifest for manifest in oldest_first}

    def _input(self, port: str) -> Manifest:
        (content,) = self.manifest.fingerprint_fields["inputs"][port]
        if content not in self._stored:
            raise ValueError(f"{self.store.url}: the {port} that {self.manifest.node} was made of are no longer stored")
        return self._stored[content]

    def _config(self, manifest: Manifest, seen: set[str]) -> dict[str, Any]:
        fields = manifest.fingerprint_fields
        found = {name: fields[name] for name in _CONFIG if fields.get(name)}
        below = {}
        for port, contents in fields.get("inputs", {}).items():
            for place, content in enumerate(contents):
                if content in self._stored and content not in seen:
                    below[port if len(contents) == 1 else f"{port}[{place}]"] = content
        # All of a node's own inputs belong to it, also those that one of the others read as well.
        seen.update(below.values())
        found |= {name: self._config(self._stored[content], seen) for name, content in below.items()}
        return found


class StoredEvaluation(StoredRun):
    """The newest finished output of an `evaluate` node."""

    def inputs(self) -> EvaluationInputs:
        """Returns faces and detections as the stage evaluated them.

        Raises:
            ValueError: one of its inputs is no longer stored.
        """
        stage = Evaluate(**self.manifest.fingerprint_fields["params"])
        samples, detections = (Artifact(self.store, self._input(port)) for port in ("samples", "detections"))
        truth, left_out, answers = evaluated_images(samples, detections, stage.unreadable)
        rows = [row for table in detections.tables() for row in read_detections(table) if row.image_id not in left_out]
        if stage.coordinates == "whole":
            rows = [replace(row, boxes=np.trunc(row.boxes)) for row in rows]
        protocol = {"source": "a finished run", "coordinates": stage.coordinates, **answers}
        return EvaluationInputs(truth, PredictionSet.of(rows), protocol=protocol)


class StoredBenchmark(StoredRun):
    """The newest finished output of a `benchmark` node."""

    def content(self) -> dict[str, Any]:
        """Returns the figures, as `BenchmarkResult.content`."""
        (row,) = Artifact(self.store, self.manifest).rows(["content"])
        found: dict[str, Any] = json.loads(row["content"])
        return found


def find_evaluation(run: str) -> StoredEvaluation | None:
    """Returns the finished evaluation of a store with one `evaluate` node, or of such a node's folder; None for others.

    Args:
        run: a store, such as `runs/smoke`, or a node's folder in one, such as `runs/smoke/ap`.

    Raises:
        ValueError: the store has several evaluations; the message names them.
    """
    found = _find(run, Evaluate.name, "evaluations")
    return StoredEvaluation(*found) if found else None


def find_benchmark(run: str) -> StoredBenchmark | None:
    """Returns the finished result of a benchmark, as `find_evaluation` does the evaluation."""
    found = _find(run, Benchmark.name, "results of benchmarks")
    return StoredBenchmark(*found) if found else None


def _find(run: str, stage: str, words: str) -> tuple[Store, Manifest] | None:
    address = run.rstrip("/")
    store = Store(address)
    if store.local and not Path(store.url).is_dir():
        return None
    found = {node: newest for node in store.folders() if (newest := _newest(store, node, stage))}
    if len(found) > 1:
        choices = ", ".join(f"{address}/{node}" for node in found)
        raise ValueError(f"{run} has {len(found)} {words}: name one of {choices}")
    if found:
        return store, next(iter(found.values()))
    above, _, node = store.url.rpartition("/")
    if not above or not node:
        return None
    newest = _newest(Store(above), node, stage)
    return (Store(above), newest) if newest else None


def _newest(store: Store, node: str, stage: str) -> Manifest | None:
    return next((m for m in stored_manifests(store, node) if m.fingerprint_fields.get("stage") == stage), None)
