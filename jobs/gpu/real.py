"""The product's own commands on real images: AP of the published weights in float32 and in bfloat16."""

from __future__ import annotations

import subprocess
import time

from jobs.benchmarks.product import ROOT, ap_of, wider_val_command
from jobs.gpu.figures import Figures
from jobs.gpu.parts import Setting


def real(setting: Setting, figures: Figures) -> None:
    """Runs `configs/wider_val.yaml` as a user does, on a cluster of this machine, once per number format."""
    if setting.shared is None:
        figures.add("AP on real images", "no real data")
        return
    run = {"gpus": 1 if setting.device == "cuda" else 0, "workers": 1, "shard_rows": 20}
    for precision in ("float32", "bfloat16"):
        store = setting.folder / f"real-{precision}"
        sets = {"boxes.precision": precision, **{f"boxes.run.{name}": value for name, value in run.items()}}
        command = wider_val_command(store, setting.shared, sets) + (["--limit", "3"] if setting.tiny else [])
        begun = time.monotonic()
        with (setting.folder / f"real-{precision}.log").open("w", encoding="utf-8") as log:
            done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log)
        figures.add(f"{precision}, whole command", time.monotonic() - begun, "s", f"exit {done.returncode}")
        for subset, ap in ap_of(store).items():
            figures.add(f"{precision}, AP {subset}", ap)
