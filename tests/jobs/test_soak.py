"""The soak itself, for a minute: the faults of each kind of storage, and outputs that are those of a quiet run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def soak(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "jobs/soak.py", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(1500)
def test_a_minute_under_faults_leaves_what_a_quiet_run_leaves(tmp_path: Path) -> None:
    kinds = ("worker-killed", "driver-killed", "machine-lost", "clock-moved", "bit-flipped")
    only = [word for kind in kinds for word in ("--fault", kind)]
    done = soak(
        "--out", str(tmp_path), "--minutes", "1", "--seed", "2", "--least", "8", "--most", "12", *only, timeout=1400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"pass 1 S3  (worker|driver)-killed: .* work went on after \d", done.stdout)
    assert re.search(r"[1-9]\d* rows and [1-9]\d* files compared with the quiet run: 0 rows lost, 0 rows", done.stdout)
    rows = re.findall(r"^\| (\S+) \| ([1-9]\d*) \|", done.stdout, re.MULTILINE)
    assert len(rows) >= 3 and {kind for kind, _ in rows} <= {*kinds}
    assert (tmp_path / "log.txt").read_text() in done.stdout + "\n"


@pytest.mark.slow
def test_unknown_faults_and_impossible_times_are_refused_before_anything_starts(tmp_path: Path) -> None:
    done = soak("--out", str(tmp_path), "--fault", "flood")
    assert done.returncode == 2
    assert "no fault flood; there are worker-killed," in " ".join(done.stderr.replace("│", " ").split())
    done = soak("--out", str(tmp_path), "--least", "30", "--most", "20")
    assert done.returncode == 2
    assert "expected 0 < least <= most, found 30 and 20" in " ".join(done.stderr.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []
