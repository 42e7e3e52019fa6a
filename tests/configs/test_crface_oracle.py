"""configs/crface_oracle.yaml as it is, on drawn faces and small canvases: two lines over the size of the image."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.engine.config import load_config
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from stages.graph import STAGES

CONFIG = Path(__file__).resolve().parents[2] / "configs/crface_oracle.yaml"


def test_the_config_leads_to_a_plot_of_both_orders(tmp_path: Path, weights: str) -> None:
    sets = [
        f"store={tmp_path}",
        "faces.dataset={kind: synthetic, images: 2, width: 128, height: 96}",
        f"boxes_*.path={weights}",
        "boxes_*.max_candidates=80",
        *(f"boxes_{row}.canvas={size}" for row, size in (("512", 64), ("2048", 160), ("4096", 192), ("8k", 256))),
    ]
    loaded = load_config(CONFIG, STAGES, sets)
    outcome = Runner(loaded.graph, Store(str(tmp_path)), Options(frozenset(loaded.graph.order)), LocalExecutor).run()
    assert not outcome.failed
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    section = text[text.index('id="sizes"') :].partition("</section>")[0]
    assert section.count("<h3>") == 3  # easy, medium, hard
    for way in ("as detected", "best order (oracle)"):
        edges = re.findall(rf"<title>{re.escape(way)}, (\d+) px", section)
        assert edges == ["64", "128", "160", "192", "256"] * 3  # the original size among them
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "detect ms" in table and "| ap_best_8k " in table
