"""Ctrl-C or SIGTERM in the middle of a run: at once, with a word on how to go on, and nothing lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.models.detectors import DETECTORS
from pipeline.models.weights import save_bytes
from tests.processes import hear_interrupts, wait_for

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
name: interrupted
store: {folder}/store
nodes:
  faces:
    stage: index
    dataset: {{kind: synthetic, images: 400}}
    run: {{shard_rows: 400}}
  boxes:
    stage: predict
    inputs: {{samples: faces}}
    path: {folder}/weights.safetensors
    canvas: 320
    run: {{shard_rows: 4}}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "number"),
    [
        ("--local", signal.SIGTERM),
        ("--local", signal.SIGINT),
        # On Ray a small driver is stopped in `tests/cluster/test_stopping.py`.
        pytest.param("--verbose", signal.SIGINT, marks=[pytest.mark.ray, pytest.mark.faults]),
    ],
)
def test_a_signal_stops_at_once_and_the_next_run_goes_on(tmp_path, mode, number):
    (tmp_path / "weights.safetensors").write_bytes(
        save_bytes("retinaface_mobilenet", DETECTORS["retinaface_mobilenet"].build())
    )
    (tmp_path / "config.yaml").write_text(CONFIG.format(folder=tmp_path))
    words = [sys.executable, "-m", "stages.cli.main", "run", "-c", str(tmp_path / "config.yaml"), mode]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
    )
    wait_for(process, lambda: len(list(tmp_path.glob("store/boxes/*/shard-*.json"))) >= 2)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number, errors
    assert psutil.wait_procs(family, timeout=5)[1] == []
    assert "Traceback" not in errors
    assert f"interrupted by {number.name}; finished shards are kept. Resume with: wider8k run -c" in errors
    assert not (tmp_path / "store" / "lock.json").exists()
    done = subprocess.run([*words[:3], "plan", *words[4:6]], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("boxes"))
    assert "resume" in line
    assert int(line.split(" of 400 items stored")[0].split()[-1]) >= 8
