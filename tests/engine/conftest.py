from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.engine.config import load_config
from pipeline.engine.executor import Executor, LocalExecutor
from pipeline.engine.outcome import Outcome
from pipeline.engine.plan import NodePlan, Options, plan
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from tests.engine.squares import STAGES

CONFIG = """
name: squares
store: {store}
nodes:
  numbers: {{stage: numbers, path: {folder}/numbers.txt, run: {{shard_rows: 4}}}}
  squares: {{stage: squares, inputs: {{numbers: numbers}}, path: {folder}/trace, run: {{shard_rows: 2, max_error_share: 0.5}}}}
  cubes: {{stage: squares, power: 3, inputs: {{numbers: numbers}}, run: {{shard_rows: 3}}}}
  total: {{stage: total, inputs: {{numbers: [squares, cubes]}}}}
"""


@dataclass
class World:
    """A small pipeline of numbers in a folder: a file of them, a config, a store."""

    folder: Path
    store: Store

    def numbers(self, names: Iterable[int]) -> None:
        (self.folder / "numbers.txt").write_text("".join(f"n{i:03d} {i}\n" for i in names))

    def traced(self) -> list[str]:
        """Keys that `squares` has worked on since the last call."""
        trace = self.folder / "trace"
        keys = trace.read_text().split() if trace.exists() else []
        trace.unlink(missing_ok=True)
        return keys

    def plan(self, *sets: str, **options: object) -> dict[str, NodePlan]:
        graph, chosen = self._graph(sets, options)
        return plan(graph, self.store, chosen)

    def run(self, *sets: str, executor: Callable[[], Executor] = LocalExecutor, **options: object) -> Outcome:
        graph, chosen = self._graph(sets, options)
        return Runner(graph, self.store, chosen, executor).run()

    def total(self) -> int:
        return int(self.store.read("total.txt"))

    def _graph(self, sets, options):
        graph = load_config(self.folder / "config.yaml", STAGES, sets).graph
        selected = frozenset(options.pop("selected", graph.order))
        return graph, Options(selected, **options)


@pytest.fixture
def world(tmp_path: Path) -> World:
    store = Store(str(tmp_path / "store"))
    (tmp_path / "config.yaml").write_text(CONFIG.format(store=store.url, folder=tmp_path))
    made = World(tmp_path, store)
    made.numbers(range(10))
    return made


@pytest.fixture
def far(s3_bucket: str, tmp_path: Path) -> Store:
    """An empty store in the bucket."""
    return Store(f"{s3_bucket}/{tmp_path.name}")
