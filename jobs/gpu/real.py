"""The product's own commands on real images: AP of the published weights in float32 and in bfloat16."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq

from jobs.gpu.figures import Figures
from jobs.gpu.parts import Setting
from jobs.gpu.right import ROOT


def real(setting: Setting, figures: Figures) -> None:
    """Runs `configs/wider_val.yaml` as a user does, on a cluster of this machine, once per number format."""
    if setting.shared is None:
        figures.add("AP on real images", "no real data")
        return
    data = setting.shared / "data"
    for precision in ("float32", "bfloat16"):
        store = setting.folder / f"real-{precision}"
        sets = {
            "store": store,
            "faces.path": data / "wider_images",
            "faces.dataset.missing": "skip",
            "boxes.path": data / "weights/retinaface_mobilenet0.25_Final.pth",
            "boxes.precision": precision,
            "boxes.run.gpus": 1 if setting.device == "cuda" else 0,
            "boxes.run.workers": 1,
            "boxes.run.shard_rows": 20,
        }
        command = product_command("configs/wider_val.yaml", sets) + (["--limit", "3"] if setting.tiny else [])
        begun = time.monotonic()
        with (setting.folder / f"real-{precision}.log").open("w", encoding="utf-8") as log:
            done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log)
        figures.add(f"{precision}, whole command", time.monotonic() - begun, "s", f"exit {done.returncode}")
        for file in store.glob("ap/*/whole.parquet"):
            for row in pq.read_table(file, columns=["subset", "ap"]).to_pylist():
                figures.add(f"{precision}, AP {row['subset']}", 100 * row["ap"])


def product_command(config: str, sets: Mapping[str, Any]) -> list[str]:
    """Returns ``wider8k run`` of a config with fields set, to be run in `ROOT`."""
    chosen = [part for name, value in sets.items() for part in ("--set", f"{name}={value}")]
    return [sys.executable, "-m", "stages.cli.main", "run", "-c", config, *chosen]
