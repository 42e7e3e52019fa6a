from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.engine.config import load_config
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.metrics import NoMetrics
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from pipeline.models.detectors import DETECTORS
from pipeline.models.weights import save_bytes
from stages.cli.metrics import metrics_of_run
from stages.graph import STAGES

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("wanted", "local", "address", "published"),
    [
        (None, True, None, False),
        (False, True, None, False),
        (None, False, None, False),
        (None, False, "10.0.0.1:6379", True),
        (False, False, "10.0.0.1:6379", False),
        (True, False, None, True),
    ],
)
def test_figures_are_published_on_a_cluster_that_is_joined_or_where_asked_for(
    monkeypatch, wanted, local, address, published
):
    made = []
    monkeypatch.delenv("RAY_metrics_report_interval_ms", raising=False)
    monkeypatch.setattr("pipeline.cluster.ray_metrics.RayMetrics", lambda run_id: made.append(run_id))
    monkeypatch.setattr("pipeline.cluster.ray_metrics.endpoints", lambda: ["http://10.0.0.1:8080/metrics"])
    (monkeypatch.setenv("RAY_ADDRESS", address) if address else monkeypatch.delenv("RAY_ADDRESS", raising=False))
    said: list[str] = []
    found = metrics_of_run(wanted, local, said.append)("run1")
    assert made == ["run1"] * published
    assert said == ["metrics: http://10.0.0.1:8080/metrics"] * published
    assert isinstance(found, NoMetrics) != published
    # A cluster that is joined reports as its own start says.
    assert ("RAY_metrics_report_interval_ms" in os.environ) == (published and address is None)
    monkeypatch.delenv("RAY_metrics_report_interval_ms", raising=False)


def test_without_ray_they_cannot_be_asked_for(wider8k, tmp_path):
    with pytest.raises(ValueError, match="--metrics: .* --local does without"):
        metrics_of_run(True, True, print)


@pytest.mark.ray
@pytest.mark.slow
def test_a_run_publishes_boxes_bytes_and_the_seconds_of_each_piece(tmp_path):
    """The command itself, scraped while it runs."""
    (tmp_path / "w.safetensors").write_bytes(
        save_bytes("retinaface_mobilenet", DETECTORS["retinaface_mobilenet"].build())
    )
    (tmp_path / "config.yaml").write_text(
        f"store: {tmp_path}/store\nnodes:\n"
        "  faces: {stage: index, dataset: {kind: synthetic, images: 400}, run: {shard_rows: 400}}\n"
        f"  boxes: {{stage: predict, inputs: {{samples: faces}}, path: {tmp_path}/w.safetensors, canvas: 320, run: {{shard_rows: 4}}}}\n"
    )
    loaded = load_config(tmp_path / "config.yaml", STAGES)
    # A start on Ray less.
    assert not Runner(loaded.graph, Store(loaded.store), Options(frozenset({"faces"})), LocalExecutor).run().failed
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-m", "stages.cli.main", "run", "-c", str(tmp_path / "config.yaml"), "--metrics"]
    run = subprocess.Popen(
        command, cwd=ROOT, env=env | {"RAY_metrics_report_interval_ms": "1000", "WIDER8K_RUN_ID": "scraped"},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = next(line for line in run.stderr if line.startswith("metrics: "))
        address = line.split()[1]
        assert re.fullmatch(r"http://[\d.]+:\d+/metrics", address)
        found: dict[tuple[str, str], float] = {}
        limit = time.monotonic() + 90
        while not all(found.get((f"ray_wider8k_{name}", "")) for name in ("boxes_total", "progress_ratio")):
            assert time.monotonic() < limit
            assert run.poll() is None
            time.sleep(0.25)
            with urllib.request.urlopen(address, timeout=10) as answer:
                families = list(text_string_to_metric_families(answer.read().decode()))
            for sample in (sample for family in families for sample in family.samples):
                if sample.labels.get("node") == "boxes" and sample.labels.get("run") == "scraped":
                    found[sample.name, sample.labels.get("piece") or sample.labels.get("direction") or ""] = (
                        sample.value
                    )
    finally:
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)
    images = found["ray_wider8k_images_total", ""]
    assert images >= 4
    assert images % 4 == 0
    assert 0 < found["ray_wider8k_boxes_total", ""] <= 5000 * images
    pieces = {
        piece: found["ray_wider8k_seconds_total", piece] for piece in ("read", "decode", "network", "write", "all")
    }
    assert min(pieces.values()) > 0
    assert pieces["network"] < pieces["all"]
    assert found["ray_wider8k_bytes_total", "read"] > 1000 * images
    assert found["ray_wider8k_running", ""] == 1
    assert 0 < found["ray_wider8k_progress_ratio", ""] <= 1
