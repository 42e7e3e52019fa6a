"""Small trainings on 345 real images, and AP on 150 unseen ones, by the product's own command.

One row of `configs/small.yaml` and one of `configs/crface_small.yaml`. An interrupted training resumes when the part is
run again. Without real data, and where tiny, on a few drawn faces.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from jobs.benchmarks.detecting import model_for
from jobs.benchmarks.images import REAL_WEIGHTS
from jobs.benchmarks.product import ROOT, product_command
from jobs.gpu.figures import Figures
from jobs.gpu.parts import Setting
from pipeline.engine.manifest import stored_manifests
from pipeline.engine.storage import Store

SEEN, UNSEEN = "val495_train.txt", "val495_test.txt"  # of data/splits: 345 and 150 images
POLLING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Lesson:
    """A file of `configs`, the nodes that are run, in their order, and the fields that are set."""

    config: str
    nodes: tuple[str, ...]
    sets: Mapping[str, Any]


def learn(setting: Setting, figures: Figures, name: str) -> None:
    """Trains `mogface_baseline` or ranker `roi`; writes each node's seconds, and AP, when the node is finished.

    Raises:
        RuntimeError: the command failed.
    """
    folder = setting.folder / f"learn-{name}"
    folder.mkdir(exist_ok=True)
    lesson = lesson_of(setting, folder, name)
    command = product_command(f"configs/{lesson.config}", {"store": folder, **lesson.sets})
    command += [part for node in lesson.nodes for part in ("--only", node)]
    # Without a cluster: the tiny training of `train-mogface_baseline` runs on one.
    command += ["--local"] if setting.tiny and setting.device == "cpu" else []
    begun, reported = time.monotonic(), set[str]()
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        while process.poll() is None:
            time.sleep(POLLING_SECONDS)
            _report(figures, folder, lesson, reported)
    _report(figures, folder, lesson, reported)
    figures.add("whole command", time.monotonic() - begun, "s", f"exit {process.returncode}")
    if process.returncode:
        raise RuntimeError(f"the command ended with {process.returncode}, see {folder / 'log'}")


def lesson_of(setting: Setting, folder: Path, name: str) -> Lesson:
    """Returns the lesson `mogface_baseline` or `roi`; without published weights, `folder` gets random ones."""
    return _detector(setting) if name == "mogface_baseline" else _ranker(setting, folder)


def _report(figures: Figures, folder: Path, lesson: Lesson, reported: set[str]) -> None:
    """Writes the figures of nodes that were finished since the last call."""
    store = Store(str(folder))
    for node in lesson.nodes:
        manifests = [] if node in reported else stored_manifests(store, node)
        for manifest in manifests[:1]:
            reported.add(node)
            figures.add(node, float(manifest.run["wall_seconds"]), "s", f"{manifest.rows} rows")
            rows = pq.read_table(folder / manifest.folder / "whole.parquet").to_pylist() if "ap_" in node else []
            for row in rows:
                ap = 100 * row["ap"] if row["faces"] else "no face"
                figures.add(f"{node}, {row['subset']}", ap, "AP", f"{row['images']} images")


def _detector(setting: Setting) -> Lesson:
    """Returns row `baseline` with the network of `mogface_baseline`, in the steps of the table of equal steps."""
    trained = ("learnt_baseline", "detector_baseline")
    evaluated = ("unseen_boxes_baseline", "unseen_found_baseline", "unseen_ap_baseline")
    sets = _each(trained, {"checkpoint_seconds": 20, "recipe.ema_decay": 0.99})
    if setting.tiny or setting.shared is None:
        sets |= _drawn("seen", "unseen") | {f"{evaluated[0]}.canvas": 64} | _each(trained, _SMALL_STEPS)
    else:
        sets |= _real(setting.shared, "*seen", "seen", "unseen")
        sets |= _each(trained, {"detector": "mogface_baseline", "model_args": "{}"})
        sets |= {"learnt_baseline.recipe.steps": 700, "detector_baseline.recipe.steps": 100}
    nodes = ("seen", "unseen", *trained, *evaluated)
    return Lesson("small.yaml", nodes, sets | _on_device(setting, trained, evaluated[:1]))


def _ranker(setting: Setting, folder: Path) -> Lesson:
    """Returns row `roi` on the candidates of a detector's published weights, and the AP of that detector's order."""
    dumps, ranker = ("retinaface_seen_original", "retinaface_unseen_original"), "ranker_original_roi"
    ranked = ("single_original", "ap_single_original", "rank_original_roi", "ap_rank_original_roi")
    sets: dict[str, Any] = {f"{ranker}.checkpoint_seconds": 20}
    if setting.tiny or setting.shared is None:
        torch.manual_seed(0)  # the same file when the part is run again
        weights = model_for(folder, "original", None)[0].weights
        sets |= _drawn("seen_faces", "unseen_faces")
        sets |= {"some_seen_faces.path": folder, "retinaface_*.max_candidates": 200}
        # Random weights find no face by half.
        sets |= _each([ranker], {**_SMALL_STEPS, "recipe.num_candidates": 200, "recipe.iou_floor": 0})
    else:
        weights = setting.shared / REAL_WEIGHTS
        sets |= _real(setting.shared, "*faces", "seen_faces", "unseen_faces")
    sets |= {f"{pattern}.path": weights for pattern in ("ranker_*", "retinaface_*", "other_*")}
    nodes = ("seen_faces", "unseen_faces", *dumps, "labelled_original", ranker, *ranked)
    return Lesson("crface_small.yaml", nodes, sets | _on_device(setting, (ranker,), (*dumps, "rank_original_roi")))


_SMALL_STEPS = {"recipe.steps": 2, "recipe.batch": 2, "recipe.crop": 64, "recipe.warmup": 1}


def _each(nodes: Sequence[str], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the same fields of several nodes."""
    return {f"{node}.{field}": value for node in nodes for field, value in fields.items()}


def _real(shared: Path, all_of_them: str, seen: str, unseen: str) -> dict[str, Any]:
    data = shared / "data"
    lists = {f"{seen}.dataset.only": data / "splits" / SEEN, f"{unseen}.dataset.only": data / "splits" / UNSEEN}
    # Missing images are left out; the number of rows is a figure of each node.
    return {f"{all_of_them}.path": data / "wider_images", f"{all_of_them}.dataset.missing": "skip", **lists}


def _drawn(seen: str, unseen: str) -> dict[str, Any]:
    drawn = "{{kind: synthetic, split: {}, images: {}, width: 64, height: 64}}"
    return {f"{seen}.dataset": drawn.format("train", 4), f"{unseen}.dataset": drawn.format("test", 2)}


def _on_device(setting: Setting, trainings: tuple[str, ...], dumps: tuple[str, ...]) -> dict[str, Any]:
    """Returns the resources of what runs a network."""
    if setting.device != "cuda":
        return _each(trainings, {"run.cpus": 1}) if setting.tiny else {}
    return _each(trainings, {"run.gpus": 1, "run.loaders": 8}) | _each(dumps, {"run.gpus": 1, "run.workers": 1})
