from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner

from jobs.benchmark import app
from jobs.benchmarks.assigning import assigning_section
from jobs.benchmarks.baseline import bare_loop
from jobs.benchmarks.coco_peer import coco_detections, coco_truth, spend, write_coco_files
from jobs.benchmarks.cpu_watch import CpuWatch
from jobs.benchmarks.detecting import detecting, model_for
from jobs.benchmarks.evaluation import run_command
from jobs.benchmarks.forward import forward_section, time_passes
from jobs.benchmarks.images import gather
from jobs.benchmarks.pipeline_run import PipelineRun
from jobs.benchmarks.results import Measured, Section, less_is_better, more_is_better, table
from jobs.benchmarks.shard_spans import ShardSpan
from jobs.benchmarks.suppression import suppression_section
from pipeline.data.canvas import tiles
from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.images import read_header
from pipeline.data.prediction_set import PredictionSet
from pipeline.models.detectors import DETECTORS


def flat(text):
    return re.sub(r"\s+", " ", text)


class TestTable:
    def test_ratio_says_how_many_times_better_ours_is(self):
        assert less_is_better("s", 2.0, 10.0).ratio == 5
        assert more_is_better("images/s", 9.0, 10.0).ratio == 0.9

    def test_lines_are_aligned_and_notes_follow(self):
        first = Section("one", [Measured("a", 1.0)], ["mind this"], "cmd a")
        lines = table([first, Section("two", [Measured("longer", 12345.6, 0.5, 2.0)], command="cmd b")]).splitlines()
        assert flat(lines[2]) == "a 1 - - cmd a"
        assert flat(lines[3]) == "longer 12,346 0.5 2 cmd b"
        assert lines[2].index("cmd a") == lines[3].index("cmd b") == lines[0].index("command")
        assert lines[-1] == "one: mind this"


class TestRates:
    SHARDS = (
        ShardSpan("a", 10, 100.0, 104.0),
        ShardSpan("b", 10, 101.0, 103.0),
        ShardSpan("a", 10, 105.0, 110.0),
    )

    def test_steady_state_leaves_the_start_out_and_every_gap_in(self):
        run = PipelineRun(self.SHARDS, 60.0, 900, 0, 0)
        assert run.images == 30
        assert run.rate == 3.0
        assert run.busy_rate == 20 / 10 + 10 / 2


class TestCpuWatch:
    READINGS: ClassVar = [
        (10.0, {1: 0.0, 2: 5.0}),
        (12.0, {1: 1.0, 2: 6.0}),
        (14.0, {1: 3.0, 2: 6.5, 3: 0.5}),
        (20.0, {1: 99.0}),
    ]

    def test_cores_are_seconds_of_cpu_per_second_inside_the_time(self):
        watch = CpuWatch(self.READINGS)
        assert watch.cores(11, 15) == (2 + 0.5 + 0.5) / 2
        assert watch.cores(11, 15, only={1}) == 1
        assert watch.cores(11, 15, but={1}) == 0.5
        assert watch.cores(11, 13) is None

    @pytest.mark.slow
    def test_children_are_read(self):
        # A tenth of a core: the clock of a process counts hundredths of a second, and is read once a second.
        busy = "import time\nwhile time.process_time() < 5:\n if time.monotonic() % 0.2 > 0.02: time.sleep(0.01)"
        child = subprocess.Popen([sys.executable, "-S", "-c", busy])
        with CpuWatch() as watch:
            while sum(child.pid in clocks and clocks[child.pid] > 0 for _, clocks in watch.readings) < 2:
                assert child.poll() is None
                time.sleep(0.05)
        child.kill()
        child.wait()
        seconds = [clocks[child.pid] for _, clocks in watch.readings if child.pid in clocks]
        assert seconds == sorted(seconds)
        assert seconds[-1] > seconds[0]


class TestParts:
    @pytest.mark.slow
    def test_voting_agrees_with_the_plain_loop_and_is_measured_beside_it(self):
        suppressed, voted = suppression_section(None, 1).rows
        assert suppressed.what == "NMS of 5,000 boxes, ms"
        assert suppressed.ours > 0
        assert voted.ratio == voted.peer / voted.ours

    def test_assigning_agrees_with_the_loop_over_faces_and_is_measured_beside_it(self):
        (row,) = assigning_section(1).rows
        assert row.ratio == row.ours / row.peer


class TestForward:
    @pytest.mark.slow
    def test_one_line_of_time_and_one_of_memory(self):
        section = forward_section(["retinaface_mobilenet"], ["96"], 2, None, "cpu")
        time_row, memory_row = section.rows
        assert time_row.what == "forward, retinaface_mobilenet at 96, ms"
        assert 0 < time_row.ours < 5000
        assert memory_row.ours > 300
        assert "random weights" in section.notes[0]

    @pytest.mark.slow
    def test_a_budget_too_small_for_one_leaves_the_others_measured(self):
        section = forward_section(["retinaface_resnet50", "retinaface_mobilenet"], ["1400"], 1, 1.05, "cpu")
        assert {row.what.split(" ")[1] for row in section.rows} == {"retinaface_mobilenet"}
        assert any("retinaface_resnet50 at 1400 was not measured" in note for note in section.notes)

    @pytest.mark.slow
    def test_tiles_are_told_and_the_time_of_all_from_some(self):
        some = time_passes("retinaface_mobilenet", "1400", 1, 1.05, "cpu", sampled=1)
        every = time_passes("retinaface_mobilenet", "1400", 1, 1.05, "cpu", sampled=1000)
        assert some.tiles == every.tiles < 1400
        assert every.share == 1
        detector = DETECTORS["retinaface_mobilenet"].build()
        cut = tiles(1400, 934, some.tiles, detector.receptive_halo, max(detector.strides))
        areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (each.window for each in cut)]
        assert some.share == areas[0] / sum(areas) < 0.9
        assert some.seconds > 0

    def test_an_unknown_detector_is_refused_at_once(self):
        result = CliRunner().invoke(app, ["forward", "--detector", "nonsense"])
        assert result.exit_code == 2
        assert "no detector is called 'nonsense'" in result.output


class TestCommands:
    def test_seconds_of_a_command_count_its_children_and_not_its_sleep(self):
        busy = "import time\nwhile time.process_time() < 0.3: pass"
        cpu, _ = run_command([sys.executable, "-c", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', '''{busy}'''])"])  # fmt: skip
        assert cpu >= 0.3
        cpu, wall = run_command([sys.executable, "-S", "-c", "import time; time.sleep(1)"])
        assert wall >= 1 > cpu

    def test_a_failing_command_is_no_measurement(self):
        with pytest.raises(RuntimeError, match="no such thing"):
            run_command([sys.executable, "-c", "raise SystemExit('no such thing')"])


class TestCocoPeer:
    TRUTH = WiderGroundTruth(
        ("a/1", "a/2"),
        (np.array([[0.0, 0, 10, 10], [50, 50, 70, 80]]), np.array([[5.0, 5, 25, 25]])),
        {"easy": (np.array([True, False]), np.array([True])), "hard": (np.array([True, True]), np.array([True]))},
    )
    FOUND = PredictionSet(
        ("a/1", "a/2"),
        np.array([0, 2, 3]),
        np.array([[0.0, 0, 10, 10], [50, 50, 70, 80], [5, 5, 25, 25]]),
        np.array([0.9, 0.8, 0.7]),
    )

    def test_perfect_boxes_have_perfect_ap_and_what_does_not_count_is_ignored(self):
        subsets = [(name, coco_truth(self.TRUTH, name), coco_detections(self.FOUND)) for name in self.TRUTH.counts]
        assert spend(subsets).ap == {"easy": 1.0, "hard": 1.0}

    def test_a_missed_face_that_counts_lowers_ap(self):
        fewer = PredictionSet(("a/1", "a/2"), np.array([0, 1, 2]), self.FOUND.boxes[[0, 2]], self.FOUND.scores[[0, 2]])
        ap = spend([(name, coco_truth(self.TRUTH, name), coco_detections(fewer)) for name in self.TRUTH.counts]).ap
        assert ap["easy"] == 1
        assert 0.6 < ap["hard"] < 0.7

    def test_as_a_command_it_gives_the_same(self, tmp_path, monkeypatch, capsys):
        from jobs.benchmarks import coco_peer

        write_coco_files(self.TRUTH, self.FOUND, tmp_path)
        monkeypatch.setattr(sys, "argv", ["coco_peer", str(tmp_path)])
        coco_peer.main()
        assert json.loads(capsys.readouterr().out) == {"easy": 1.0, "hard": 1.0}


@pytest.mark.slow
def test_without_real_data_images_are_drawn_and_weights_random(tmp_path):
    (tmp_path / "images").mkdir()
    files, what = gather(tmp_path / "images", 2, None)
    assert [read_header(file.read_bytes()) for file in files] == [(1024, 683)] * 2
    assert what == "2 drawn images"
    model, _ = model_for(tmp_path, "96", None)
    pace = bare_loop(partial(detecting, model, files), len(files), 1, 1)
    assert pace.images == 2
    assert pace.rate == pace.images / pace.seconds > 0
    assert pace.peak_mb > 100
    assert pace.cpu_seconds > 0


@pytest.mark.wider
def test_real_images_come_from_all_events(shared: Path, tmp_path):
    files, _ = gather(tmp_path, 100, shared)
    assert len(files) == 100
    assert len({file.name.split("_")[0] for file in files}) > 50


def test_evaluation_without_real_data_says_that_it_was_skipped(monkeypatch, tmp_path):
    monkeypatch.setenv("WIDER8K_SHARED", str(tmp_path))
    result = CliRunner().invoke(app, ["evaluation"])
    assert result.exit_code == 0
    assert "evaluation: skipped" in result.output


@pytest.mark.parametrize("section", [command.name for command in app.registered_commands])
def test_every_section_shows_an_example(section):
    assert "Example: uv run python jobs/benchmark.py" in CliRunner().invoke(app, [section, "--help"]).output


@pytest.mark.ray
@pytest.mark.faults
def test_the_pipeline_section_prints_ratio_memory_and_object_store(tmp_path):
    """A process of its own: Ray starts and ends in it, which a session with a shared cluster must not see."""
    root = Path(__file__).resolve().parents[2]
    file = tmp_path / "out.json"
    output = tmp_path / "table.txt"
    command = [sys.executable, "jobs/benchmark.py", "pipeline-1024", "--images", "4", "--rounds", "1", "--workers", "1"]
    script = f"cd {root} && WIDER8K_SHARED={tmp_path} {' '.join(command)} --json {file} > {output}"
    run_command(["sh", "-c", script])
    rows = {row["what"]: row for row in json.loads(file.read_text())["sections"][0]["rows"]}
    steady = rows["pipeline-1024, images/s: steady state"]
    assert steady["ratio"] == steady["ours"] / steady["peer"]
    assert rows["pipeline-1024, images/s: start of Ray and workers included"]["ours"] < steady["ours"]
    assert rows["pipeline-1024, MB: peak memory of a worker"]["ours"] > 300
    assert 0 < rows["pipeline-1024, bytes/image: payload through the object store"]["ours"] < 10_000
    assert "pipeline-1024, images/s: steady state" in output.read_text()
