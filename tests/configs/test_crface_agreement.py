"""The evidence of `crface_agreement*.yaml` from drawn images to its table, and that it compares what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine.config import load_config
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from stages.cli.tiny import tiny_sets, write_tiny_files
from stages.graph import STAGES

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CONFIG, AT_8K = CONFIGS / "crface_agreement.yaml", CONFIGS / "crface_agreement_8k.yaml"
UNIONS = {
    (CONFIG, "1536"): ["original", "1536"],
    (CONFIG, "2048"): ["original", "2048"],
    (CONFIG, "three"): ["original", "1536", "2048"],
    (AT_8K, "near"): ["4096", "8k"],
    (AT_8K, "far"): ["2048", "8k"],
}


@pytest.mark.parametrize(("config", "union"), UNIONS, ids=[union for _, union in UNIONS])
def test_a_union_has_the_same_sizes_in_training_and_in_use(config: Path, union: str) -> None:
    nodes, sizes = load_config(config, STAGES).graph.nodes, UNIONS[config, union]
    for part, made in (("seen", f"labelled_{union}"), ("unseen", f"rank_{union}_a")):
        assert nodes[made].inputs["candidates"] == tuple(f"boxes_{part}_{size}" for size in sizes)
        (voted,) = nodes[made].inputs["detections"]
        assert nodes[voted].inputs["detections"] == tuple(f"single_{part}_{size}" for size in sizes)
    assert nodes[f"labelled_{union}"].inputs["samples"] == ("seen_faces",)


@pytest.mark.parametrize(("config", "unions"), [(CONFIG, 3), (AT_8K, 2)], ids=["original", "8k"])
def test_nothing_is_learnt_from_the_images_of_the_evaluation(config: Path, unions: int) -> None:
    graph = load_config(config, STAGES).graph

    def behind(name: str) -> set[str]:
        return {name}.union(*(behind(each) for each in graph.nodes[name].upstream))

    trained = [name for name, node in graph.nodes.items() if node.stage.name == "train_agreement"]
    assert len(trained) == 3 * unions
    assert all("unseen_faces" not in behind(name) and "seen_faces" in behind(name) for name in trained)
    assert all(graph.nodes[name].inputs["samples"] == ("unseen_faces",) for name in graph.nodes["table"].inputs["ap"])


def test_it_leads_from_images_to_a_table_with_every_rival(tmp_path: Path) -> None:
    loaded = load_config(CONFIG, STAGES)
    write_tiny_files(loaded, tmp_path)
    # Untrained weights find no face: a box that touches one is a hit here.
    sets = [*tiny_sets(loaded, tmp_path), "labelled_*.face_iou=0.02", "ranker_*.recipe.steps=3"]
    graph = load_config(CONFIG, STAGES, [f"store={tmp_path}", *sets]).graph
    outcome = Runner(graph, Store(str(tmp_path)), Options(frozenset(graph.order)), LocalExecutor).run()
    assert not outcome.failed, outcome.failed
    _, _, *rows = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    shown = [row.split("|")[1].strip() for row in rows if row.startswith("|")]
    assert len(shown) == 4 + 3 + 3 + 1 + 9
    assert {"ap_single_1280", "ap_suppressed_2048", "ap_voted_three", "ap_multi", "ap_rank_2048_a"} <= set(shown)
    assert "original + 112 + 128" in (tmp_path / "report.html").read_text(encoding="utf-8")
