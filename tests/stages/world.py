"""A pipeline of real stages in a temporary folder, and a stage that guesses boxes, so that an AP is neither 0 nor 1."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import yaml

from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.images import encode_png
from pipeline.data.records import Detections, Sample
from pipeline.data.schemas import DETECTIONS, SAMPLES
from pipeline.engine.config import load_config
from pipeline.engine.executor import Executor, LocalExecutor
from pipeline.engine.fingerprint import hash_json
from pipeline.engine.graph import Graph
from pipeline.engine.items import Items
from pipeline.engine.manifest import Artifact
from pipeline.engine.outcome import Outcome
from pipeline.engine.plan import NodePlan, Options, context, plan
from pipeline.engine.runner import Runner
from pipeline.engine.stage import Item, MapStage, Port, Row, StageContext
from pipeline.engine.storage import Store
from stages.graph import STAGES


class Guess(MapStage):
    """Boxes about the true faces, some twice, some far off, with random scores that depend on the image alone."""

    name: ClassVar[str] = "guess"
    version: ClassVar[str] = "1"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples",)
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES)}
    output: ClassVar[pa.Schema] = DETECTIONS

    jitter: float = 0.15
    false_alarms: int = 3
    fails_on: str = ""

    def items(self, ctx: StageContext) -> Sequence[Item]:
        rows = ctx.one("samples").rows()
        return [Item(row["image_id"], row["content_hash"], {"row": row}) for row in rows]

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                yield self._guess(Sample.from_row(item.data["row"])).to_row()

        return work

    def _guess(self, sample: Sample) -> Detections:
        if sample.image_id == self.fails_on:
            return Detections(sample.image_id, 0, 0, error="made to fail")
        rng = np.random.default_rng(list(sample.image_id.encode()))
        faces = np.repeat(sample.boxes, 2, axis=0)
        size = np.tile(faces[:, 2:] - faces[:, :2], 2)
        near = faces + rng.normal(0, self.jitter, faces.shape) * size
        corner = rng.uniform(0, min(sample.width, sample.height), (self.false_alarms, 2))
        boxes = np.concatenate([near, np.concatenate([corner, corner + 20], axis=1)]).astype(np.float32)
        scores = np.sort(rng.uniform(0.1, 1, len(boxes)).astype(np.float32))[::-1].copy()
        return Detections(sample.image_id, sample.width, sample.height, rng.permutation(boxes), scores)


@dataclass
class World:
    """A config under construction, its store, and what came out of it.

    `artifact`, `rows` and `computed` ask the plan for the output that belongs to the config as it is, never for the
    newest one: two runs within a second could have equal times.
    """

    folder: Path
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return Store(str(self.folder / "store"))

    @property
    def config(self) -> Path:
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump({"name": "test", "store": self.store.url, "nodes": self.nodes}, sort_keys=False))
        return path

    def node(self, name: str, stage: str, *, run: dict[str, Any] | None = None, **fields: Any) -> None:
        self.nodes[name] = {"stage": stage, **fields, "run": run or {}}

    def photos(self, count: int, run: dict[str, Any] | None = None) -> Path:
        """Makes `images` a node over a folder of drawn images, and returns the folder."""
        folder = self.folder / "photos"
        folder.mkdir()
        for seed in range(count):
            (folder / f"{seed}.png").write_bytes(encode_png(drawn_image(seed)))
        self.node("images", "index", dataset="image_folder", path=str(folder), run=run)
        return folder

    def dump_of_photos(self, weights: str, candidates: int, run: dict[str, Any]) -> Path:
        """Adds nodes `images` and `boxes` over four files, the last of them no image, and returns their folder."""
        folder = self.photos(3, run)
        (folder / "broken.jpg").write_text("plain text")
        found = {"inputs": {"samples": "images"}, "path": weights, "canvas": "original", "max_candidates": candidates}
        self.node("boxes", "predict", **found, run=run)
        return folder

    def graph(self, *sets: str) -> Graph:
        return load_config(self.config, {**STAGES, Guess.name: Guess}, sets).graph

    def plan(self, *sets: str) -> dict[str, NodePlan]:
        graph = self.graph(*sets)
        return plan(graph, self.store, Options(frozenset(graph.order)))

    def identity(self, node: str, *sets: str) -> str:
        """Hash of what decides a node's output, its inputs included as far as they are there."""
        return hash_json(self.plan(*sets)[node].fingerprint_fields)

    def run(self, *sets: str, executor: Callable[[], Executor] = LocalExecutor, **options: Any) -> Outcome:
        graph = self.graph(*sets)
        chosen = Options(frozenset(options.pop("selected", graph.order)), **options)
        return Runner(graph, self.store, chosen, executor).run()

    def done(self, *sets: str, **options: Any) -> Outcome:
        """Runs and expects no failure."""
        outcome = self.run(*sets, **options)
        assert not outcome.failed, outcome.failed
        assert not outcome.blocked
        return outcome

    def require_own_row(self, node: str, add: Callable[[], object]) -> None:
        """Runs, adds an image and runs again: of a node one row is computed, and the others are as they were."""
        self.done()
        before = self._texts(node)
        add()
        self.done()
        after = self._texts(node)
        assert self.computed(node) == 1
        assert len(after) == len(before) + 1 and before.items() <= after.items()

    def _texts(self, node: str) -> dict[str, str]:
        return {row["image_id"]: json.dumps(row) for row in self.rows(node)}

    def artifact(self, node: str, *sets: str) -> Artifact:
        found = self.plan(*sets)[node].artifact
        assert found is not None, f"{node} is not stored as configured"
        return found

    def items(self, node: str, *sets: str) -> Items:
        """Items of a map stage whose inputs are stored, as a plan with work has them."""
        graph, plans = self.graph(*sets), self.plan(*sets)
        stage = graph.nodes[node].stage
        assert isinstance(stage, MapStage)
        return Items.of(stage.items(context(graph, node, plans, {})))

    def rows(self, node: str, *sets: str) -> list[dict[str, Any]]:
        return list(self.artifact(node, *sets).rows())

    def by_id(self, node: str, *sets: str) -> dict[str, Detections]:
        return {row["image_id"]: Detections.from_row(row) for row in self.rows(node, *sets)}

    def computed(self, node: str, *sets: str) -> int:
        """Items that the run that finished this output computed."""
        return int(self.artifact(node, *sets).manifest.run["items_computed"])

    def checksums(self, *sets: str) -> dict[str, list[str]]:
        """Node -> checksums of its shards, in order."""
        return {name: [s.content_hash for s in self.artifact(name, *sets).manifest.shards] for name in self.nodes}


def drawn_image(seed: int = 0, width: int = 96, height: int = 64) -> np.ndarray:
    """A drawn image, uint8 [height, width, 3] BGR."""
    return Synthetic(seed=seed, width=width, height=height).draw(0)[0]
