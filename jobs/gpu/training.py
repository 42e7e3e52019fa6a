"""Trainings through Ray Train and beside them the bare loop, in bfloat16 on one device."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.benchmarks.detecting import model_for
from jobs.benchmarks.prerequisites import prepare
from jobs.benchmarks.training import detector_course, ranker_course
from jobs.benchmarks.training_run import Course, Spent, bare_training, run_training
from jobs.gpu.figures import Figures
from jobs.gpu.parts import Setting
from pipeline.cluster.ray_executor import RayExecutor
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.graph import Graph
from pipeline.engine.stage import Resources
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.recipes.ranker import RankerRecipe


def train(setting: Setting, figures: Figures, name: str) -> None:
    """Measures steps/s of both, the share of waiting for data, memory, and the assigner's share of a step."""
    with tempfile.TemporaryDirectory() as folder:
        course = _course(setting, name, Path(folder))
        # The bare loop first: it needs no cluster, whose start could take what is left of the time.
        prepare(course.graph, course.node, course.store)
        _add(figures, course, "bare loop", bare_training(course), "assigning")
        if setting.device == "cuda":
            import torch

            figures.add("peak memory", torch.cuda.max_memory_allocated() / 2**20, "MB")
            torch.cuda.empty_cache()
        # Where tiny, a cluster's start would take most of the time.
        alone = setting.tiny
        ours = run_training(course, LocalExecutor if alone else RayExecutor)
        _add(figures, course, "in one process" if alone else "through Ray Train", ours, "waiting for data")


def _add(figures: Figures, course: Course, label: str, spent: Spent, part: str) -> None:
    figures.add(f"{label}, steps/s", 1 / spent.step, "1/s", f"{course.recipe.batch} x {course.recipe.crop} px")
    figures.add(f"{label}, share of {part}", 100 * spent.part / spent.step, "%")


def _course(setting: Setting, name: str, place: Path) -> Course:
    numbers: dict[str, Any] = {"steps": 8, "crop": 64, "batch": 2} if setting.tiny else {"steps": 40, "crop": 640}
    resources = Resources(workers=1, cpus=1, gpus=1, loaders=10) if setting.device == "cuda" else Resources(cpus=1)
    if name in ("crface", "crface_mobilenet"):
        # Small steps: forty would mostly show the start of the loaders.
        steps = {} if setting.tiny else {"steps": 200}
        recipe = RankerRecipe(**{"batch": 32, **numbers, **steps}, bf16=setting.device == "cuda")
        ranker, images = ("crface_mobilenet", 4) if setting.tiny else (name, 64)
        model, _ = model_for(place, "64" if setting.tiny else "1024", setting.shared)
        course, _ = ranker_course(ranker, recipe, images, setting.shared, model, place)
    else:
        batch = {"mogface_baseline": 7, "mogface": 4, "hrnet_w48": 4}[name]
        recipe = DetectorRecipe(
            **{"batch": batch, **numbers}, warmup=10, learning_rate=1e-4, assigner="ali_ams", bf16=True
        )
        detector = "mogface_mobilenet" if setting.tiny else name
        course = detector_course(detector, recipe, setting.shared, place)
    nodes = {**course.graph.nodes, course.node: replace(course.graph.nodes[course.node], resources=resources)}
    return replace(course, graph=Graph(list(nodes.values())))
