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


class StoredManifests:
    """The manifests of a store, those of each node read once.

    Attributes:
        store: where they are.
    """

    def __init__(self, store: Store) -> None:
        """Takes a store; nothing is read yet."""
        self.store = store
        self._of_node: dict[str, list[Manifest]] = {}

    def of_node(self, node: str) -> list[Manifest]:
        """Returns those of a node, newest first."""
        if node not in self._of_node:
            self._of_node[node] = stored_manifests(self.store, node)
        return self._of_node[node]

    @cached_property
    def by_content(self) -> Mapping[str, Manifest]:
        """Content hash -> the newest manifest of that content."""
        found = [manifest for node in self.store.folders() for manifest in self.of_node(node)]
        oldest_first = sorted(found, key=lambda manifest: float(manifest.run.get("finished", 0)))
        return {manifest.content_hash: manifest for manifest in oldest_first}


@dataclass(frozen=True)
class StoredRun:
    """The newest finished output of one node.

    Attributes:
        stored: all manifests of its store.
        manifest: of the output.
    """

    stored: StoredManifests
    manifest: Manifest

    @property
    def store(self) -> Store:
        """Where it is."""
        return self.stored.store

    def config(self) -> dict[str, Any]:
        """Returns the parameters of the evaluation and, below the name of each input, of all that it came from.

        An output that several nodes read is described where it is met first; one that is no longer stored is left out.
        """
        return self._config(self.manifest, set())

    def _input(self, port: str) -> Manifest:
        (content,) = self.manifest.fingerprint_fields["inputs"][port]
        if content not in self.stored.by_content:
            raise ValueError(f"{self.store.url}: the {port} that {self.manifest.node} was made of are no longer stored")
        return self.stored.by_content[content]

    def _config(self, manifest: Manifest, seen: set[str]) -> dict[str, Any]:
        fields = manifest.fingerprint_fields
        found = {name: fields[name] for name in _CONFIG if fields.get(name)}
        below = {}
        for port, contents in fields.get("inputs", {}).items():
            for place, content in enumerate(contents):
                if content in self.stored.by_content and content not in seen:
                    below[port if len(contents) == 1 else f"{port}[{place}]"] = content
        # All of a node's own inputs belong to it, also those that one of the others read as well.
        seen.update(below.values())
        found |= {name: self._config(self.stored.by_content[content], seen) for name, content in below.items()}
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


def find_result(
    run: str, opened: dict[str, StoredManifests] | None = None
) -> StoredEvaluation | StoredBenchmark | None:
    """Returns the newest finished evaluation, or result of a benchmark, at a path; None where there is neither.

    Args:
        run: a store with one `evaluate` node, or without any and with one `benchmark` node, such as `runs/smoke`; or
            the folder of such a node, such as `runs/smoke/ap`.
        opened: address -> manifests of the stores that are read already; those that are read are added.

    Raises:
        ValueError: the store has several evaluations, or several results of benchmarks; the message names them.
    """
    known = {} if opened is None else opened
    address = run.rstrip("/")
    store = Store(address)
    if store.local and not Path(store.url).is_dir():
        return None
    stored = known.setdefault(store.url, StoredManifests(store))
    nodes = store.folders()
    for stage, words in ((Evaluate.name, "evaluations"), (Benchmark.name, "results of benchmarks")):
        found = {node: newest for node in nodes if (newest := _newest(stored, node, stage))}
        if len(found) > 1:
            choices = ", ".join(f"{address}/{node}" for node in found)
            raise ValueError(f"{run} has {len(found)} {words}: name one of {choices}")
        if found:
            return _RESULTS[stage](stored, next(iter(found.values())))
    above, _, node = store.url.rpartition("/")
    if not above or not node:
        return None
    stored = known.setdefault(above, StoredManifests(Store(above)))
    for stage, kind in _RESULTS.items():
        if newest := _newest(stored, node, stage):
            return kind(stored, newest)
    return None


_RESULTS: Final[Mapping[str, type[StoredEvaluation] | type[StoredBenchmark]]] = {
    Evaluate.name: StoredEvaluation,
    Benchmark.name: StoredBenchmark,
}


def _newest(stored: StoredManifests, node: str, stage: str) -> Manifest | None:
    return next((m for m in stored.of_node(node) if m.fingerprint_fields.get("stage") == stage), None)
