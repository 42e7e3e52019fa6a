"""The exact evaluation of the full validation set against faster-coco-eval on the same boxes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from jobs.benchmarks.coco_peer import Spent, coco_detections, coco_truth, spend, write_coco_files
from jobs.benchmarks.product import ROOT
from jobs.benchmarks.results import Section, less_is_better
from pipeline.data.datasets.wider_face.ground_truth import load_ground_truth
from pipeline.data.datasets.wider_face.predictions import read_wider_text
from pipeline.evaluation.wider_result import evaluate


def evaluation_section(predictions: Path, ground_truth: Path, rounds: int) -> Section:
    """Returns medians over alternating rounds; predictions as text, ground truth as the four official .mat files."""
    truth = load_ground_truth(ground_truth)
    boxes = read_wider_text(predictions, truth.image_ids).predictions
    ours, peers, our_commands, peer_commands = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as folder:
        write_coco_files(truth, boxes, Path(folder))
        our_command = [*_wider8k(), "evaluate", str(predictions), "--ground-truth", str(ground_truth)]
        peer_command = [sys.executable, "-m", "jobs.benchmarks.coco_peer", folder]
        for _ in range(rounds):
            ours.append(_ours(predictions, ground_truth))
            # The peer's dictionaries are built again, untimed: it writes into them.
            peers.append(spend([(name, coco_truth(truth, name), coco_detections(boxes)) for name in truth.counts]))
            our_commands.append(run_command(our_command))
            peer_commands.append(run_command(peer_command))
    our_cpu, our_wall = map(median, zip(*our_commands, strict=True))
    peer_cpu, peer_wall = map(median, zip(*peer_commands, strict=True))
    rows = [
        less_is_better("evaluation, CPU s: boxes in memory to AP", _cpu(ours), _cpu(peers)),
        less_is_better("evaluation, CPU s: reading included", _cpu(ours, True), _cpu(peers, True)),
        less_is_better("evaluation, CPU s: whole command", our_cpu, peer_cpu),
        less_is_better("evaluation, wall s: whole command", our_wall, peer_wall),
    ]
    return Section("evaluation", rows, _notes(len(truth.image_ids), len(boxes.scores), rounds, ours[0], peers[0]))


def run_command(command: Sequence[str]) -> tuple[float, float]:
    """Returns the CPU seconds (user and system, of the process and its children) and wall seconds of a command.

    Raises:
        RuntimeError: the command failed; the message holds what it wrote.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed: {output.read().decode(errors='replace')[-2000:]}")
    return usage.ru_utime + usage.ru_stime, wall


def _ours(predictions: Path, ground_truth: Path) -> Spent:
    start = time.process_time()
    truth = load_ground_truth(ground_truth)
    boxes = read_wider_text(predictions, truth.image_ids).predictions
    loaded = time.process_time()
    result = evaluate(truth, boxes)
    return Spent(loaded - start, time.process_time() - loaded, dict(result.ap))


def _cpu(spent: Sequence[Spent], reading: bool = False) -> float:
    return median(each.evaluate + (each.load if reading else 0) for each in spent)


def _notes(images: int, boxes: int, rounds: int, ours: Spent, peer: Spent) -> list[str]:
    ap = ", ".join(f"{name} {value:.4f} ({peer.ap[name]:.4f})" for name, value in ours.ap.items())
    return [
        f"{images:,} images, {boxes:,} boxes, three subsets at IoU 0.5; medians of {rounds} rounds in turn",
        "reading: ours from the text archive and the .mat files, the peer's from dictionaries in memory; as a whole "
        "command the peer reads the same boxes as COCO JSON",
        f"AP ours, exact (peer, another protocol): {ap}",
    ]


def _wider8k() -> list[str]:
    installed = Path(sys.executable).with_name("wider8k")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "stages.cli.main"]
