"""Correctness on the device: the tests that are marked `gpu`."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys

from jobs.benchmarks.product import ROOT
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
