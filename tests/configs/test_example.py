"""A newcomer's own experiment with a ranker: one short file, from drawn faces to a table and a page."""

from __future__ import annotations

from pathlib import Path

from pipeline.engine.config import load_config
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from stages.graph import STAGES

CONFIG = Path(__file__).resolve().parents[2] / "configs/example.yaml"


def test_it_is_short() -> None:
    assert len(CONFIG.read_text(encoding="utf-8").splitlines()) <= 40


def test_it_leads_from_drawn_faces_to_a_table_and_a_page(tmp_path: Path) -> None:
    sets = [
        f"store={tmp_path}",
        "*_faces.dataset={kind: synthetic, images: 4, width: 96, height: 96}",
        "train_faces.dataset.split=train",
        "detector.recipe={steps: 3, batch: 2, images: 4, crop: 64, warmup: 1}",
        "*_boxes.max_candidates=60",
        "ranker_*.recipe={steps: 2, batch: 2, crop: 64, num_candidates: 60, warmup: 1}",
        "ranker_rank.recipe.loss=rank",
        "ranker_l2.recipe.loss=l2",
    ]
    graph = load_config(CONFIG, STAGES, sets).graph
    outcome = Runner(graph, Store(str(tmp_path)), Options(frozenset(graph.order)), LocalExecutor).run()
    assert not outcome.failed, outcome.failed
    assert outcome.computed == list(graph.order)
    head, _, *rows = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    assert [row.split("|")[1].strip() for row in rows] == ["ap", "ap_rank", "ap_l2"]
    assert "detect ms" in head and "loss" in head
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Two losses of a ranker" in page and page.count("roi_mobilenet") >= 2
    assert all(f">{name}<" in page for name in ("ranker_rank", "ranker_l2", "detector"))
