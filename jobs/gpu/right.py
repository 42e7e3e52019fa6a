"""Correctness on the device: the tests that are marked `gpu`, and AP of the published weights on real images."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time

from jobs.benchmarks.product import ROOT, ap_of, wider_val_command
from jobs.gpu.figures import Figures
from jobs.gpu.parts import Setting


def right(setting: Setting, figures: Figures) -> None:
    """Runs `tests/gpu`; the log is in ``tests.log`` and the names of failed tests are figures."""
    options = "-m gpu -p no:cacheprovider -o addopts= --import-mode=importlib -rf -v"
    asked = ["tests/gpu", *options.split()]
    if setting.tiny:
        asked += ["-k", "suppression or losses_of_rankers"]
    elif importlib.util.find_spec("xdist"):
        asked += ["-n", str(min(6, max(1, (os.cpu_count() or 1) // 2)))]
    environment = dict(os.environ, WIDER8K_TEST_DEVICE=setting.device)
    log = setting.folder / "tests.log"
    with log.open("w", encoding="utf-8") as file:
        subprocess.run([sys.executable, "-m", "pytest", *asked], cwd=ROOT, env=environment, stdout=file, stderr=file)
    text = log.read_text(encoding="utf-8")
    for outcome in ("passed", "failed", "skipped", "error"):
        count = re.search(rf"(\d+) {outcome}", text.splitlines()[-1] if text else "")
        figures.add(f"tests {outcome}", float(count.group(1)) if count else 0.0)
    for name in re.findall(r"^FAILED (\S+)", text, flags=re.MULTILINE):
        figures.add(f"failed: {name.rpartition('/')[2]}", "failed")


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
