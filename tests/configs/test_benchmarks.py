"""A detector's boxes on drawn photographs by four benchmarks, by the config that the repository ships."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.engine.config import load_config
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from stages.graph import STAGES
from tests.stages.drawn_benchmark import IMAGES, write_benchmark

CONFIG = Path(__file__).resolve().parents[2] / "configs/benchmarks.yaml"
LABELS = {"fddb": "FDDB-folds", "pascal": "faces.csv", "afw": "faces.csv", "coco": "faces.json"}


def test_the_config_leads_from_photographs_to_the_figures_of_four_benchmarks(weights: str, tmp_path: Path) -> None:
    root = write_benchmark(tmp_path / "set")
    sets = [f"boxes_*.path={weights}", "boxes_*.max_candidates=50"]
    for name, labels in LABELS.items():
        images = root if name == "fddb" else root / "originalPics"
        sets += [f"faces_{name}.path={images}", f"{name}.path={root / labels}"]
    graph = load_config(CONFIG, STAGES, sets).graph
    store = Store(str(tmp_path / "store"))
    outcome = Runner(graph, store, Options(frozenset(graph.order)), LocalExecutor).run()
    assert not outcome.failed, outcome.failed
    assert set(outcome.computed) == set(graph.order)
    content = {name: json.loads(store.read(f"{name}.json")) for name in LABELS}
    assert {each["images"] for each in content.values()} == {IMAGES}
    assert content["fddb"]["faces"] == content["coco"]["faces"] > content["pascal"]["faces"] > 0
    assert content["pascal"]["ap"] == content["afw"]["ap"]
    titles = [line for line in store.read("benchmarks.md").decode().splitlines() if line.startswith("##")]
    assert titles == ["## FDDB", "## PASCAL Face", "## AFW", "## COCO"]
    # An untrained network's boxes meet some of the faces at a low score.
    assert len(content["fddb"]["discrete"]) > 50 and content["fddb"]["discrete"][-1][0] > 50
    assert content["pascal"]["protocol"]["labels"] == "CSV" and content["coco"]["protocol"]["labels"] == "COCO JSON"
