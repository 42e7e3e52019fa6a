"""Benchmarks of training, re-ranking and joining at tiny sizes; only the last test starts Ray."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from jobs.benchmark import app
from jobs.benchmarks.alternate import Rounds, cost_rows, pace_rows, round_notes, take_turns
from jobs.benchmarks.baseline import Pace
from jobs.benchmarks.detecting import Bench, Model, model_for
from jobs.benchmarks.joining import DUMPS, JOINED, Joined, joining_graph, joining_section
from jobs.benchmarks.pipeline_run import PipelineRun
from jobs.benchmarks.prerequisites import compute, prepare, require_success
from jobs.benchmarks.shard_spans import ShardSpan
from jobs.benchmarks.throughput import BOXES, RANKED, ranker_for, reranking, reranking_graph
from jobs.benchmarks.training import ranker_course
from jobs.benchmarks.training_run import Course, Spent, bare_training, run_training, step_rows
from pipeline.boxes.closest_face import closest_overlap
from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.labelled_candidates import LabelledCandidates
from pipeline.data.records import Detections, Sample, read_detections
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.graph import Graph, Node
from pipeline.engine.manifest import Artifact, stored_manifests
from pipeline.engine.outcome import Outcome
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.recipes.ranker import RankerRecipe
from stages.index import Index
from stages.train_detector import TrainDetector


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch):
    """What is measured takes all cores of its process, which is this one here."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    yield
    torch.set_num_threads(threads)


def artifact(store: Store, node: str) -> Artifact:
    (manifest,) = stored_manifests(store, node)
    return Artifact(store, manifest)


class TestTurns:
    OURS: ClassVar = {(2, 1): 4.0, (1, 2): 2.0}
    PEERS: ClassVar = {(2, 1): 3.0, (1, 2): 5.0}

    def rounds(self, errors: int = 0) -> Rounds:
        def ours(way: tuple[int, int]) -> PipelineRun:
            span = ShardSpan("a:1", 10, 100.0, 100.0 + 10 / self.OURS[way])
            return PipelineRun((span,), 60.0, 900, 30, errors, worker_cores=1.5, other_cores=0.1)

        return take_turns(ours, lambda way: Pace(10, 10 / self.PEERS[way], 500, 8.0), 2, 3)

    def test_the_slower_way_is_run_once(self):
        rounds = self.rounds()
        assert {way: len(runs) for way, runs in rounds.ours.items()} == {(2, 1): 3, (1, 2): 1}
        assert {way: len(paces) for way, paces in rounds.peers.items()} == {(2, 1): 1, (1, 2): 3}
        assert len(rounds.loads) == 3

    def test_either_side_is_told_in_its_faster_way(self):
        steady, workers, others = pace_rows(self.rounds(), "n")
        assert (steady.ours, steady.peer, steady.ratio) == pytest.approx((4, 5, 0.8))
        assert (workers.ours, workers.peer, workers.ratio) == pytest.approx((375, 800, 800 / 375))
        assert others.ours == pytest.approx(25)
        whole, memory, crossing = cost_rows(self.rounds(), "n")
        assert (whole.ours, memory.ours, memory.peer, crossing.ours) == pytest.approx((1 / 6, 900, 500, 3))

    def test_errors_are_told(self):
        assert not any("errors" in note for note in round_notes(self.rounds(), "inside", "peer"))
        assert "4 images were errors" in round_notes(self.rounds(errors=1), "inside", "peer")[-1]

    def test_one_core_leaves_one_way(self):
        pace = Pace(1, 1.0, 1, 1.0)
        rounds = take_turns(
            lambda way: PipelineRun((ShardSpan("a:1", 1, 0.0, 1.0),), 1.0, 1, 1, 0), lambda way: pace, 1, 2
        )
        assert list(rounds.ours) == list(rounds.peers) == [(1, 1)]
        assert len(rounds.ours[1, 1]) == len(rounds.peers[1, 1]) == 2
        assert [row.what for row in pace_rows(rounds, "n")] == ["n, images/s: steady state"]


class TestPrepared:
    def test_what_the_node_gave_goes_and_what_it_needs_stays(self, tmp_path):
        graph, store = joining_graph(4, 2), Store(str(tmp_path))
        require_success(compute(graph, frozenset(graph.order), store))
        before = artifact(store, "first").manifest
        prepare(graph, JOINED, store)
        assert stored_manifests(store, JOINED) == []
        assert artifact(store, "first").manifest == before

    def test_a_failure_is_no_measurement(self):
        with pytest.raises(RuntimeError, match="no such thing"):
            require_success(Outcome(failed={"boxes": "no such thing"}))
        with pytest.raises(RuntimeError, match="boxes"):
            require_success(Outcome(blocked=["boxes"]))


class TestTraining:
    @pytest.fixture(autouse=True)
    def _one_core(self, monkeypatch):
        """Where the tests beside this one hold the second core, two threads that wait for each other take 25 times as long."""
        monkeypatch.setattr("jobs.benchmarks.training.cores", lambda: 1)

    def course(self, folder: Path) -> Course:
        recipe = DetectorRecipe(steps=8, batch=2, crop=64, warmup=1, assigner="ali_ams")
        graph = Graph(
            [
                Node("faces", Index(dataset=Synthetic(images=4, width=96, height=96))),
                Node("detector", TrainDetector(recipe=recipe), {"samples": ("faces",)}),
            ]
        )
        return Course(graph, "detector", Store(str(folder)))

    def test_steps_and_their_parts_are_told(self, tmp_path):
        course = self.course(tmp_path)
        require_success(compute(course.graph, frozenset({"faces"}), course.store))
        ours, bare = run_training(course, LocalExecutor), bare_training(course)
        assert 0 <= ours.part < ours.step < 5
        assert 0 < bare.part < bare.step < 5  # the assigner

    def test_every_run_is_a_new_training(self, tmp_path):
        course = self.course(tmp_path)
        require_success(compute(course.graph, frozenset({"faces"}), course.store))
        runs = []
        for _ in range(2):
            run_training(course, LocalExecutor)
            runs.append(artifact(course.store, "detector").manifest.run["run_id"])
        assert runs[0] != runs[1]

    def test_lines_of_the_table(self):
        steady, waiting = step_rows("n", Spent(0.5, 0.05), Spent(0.4, 0.1))
        assert (steady.ours, steady.peer, steady.ratio) == pytest.approx((2, 2.5, 0.8))
        assert waiting.ours == pytest.approx(10)

    def test_a_ranker_learns_from_a_join(self, tmp_path):
        recipe = RankerRecipe(steps=7, batch=1, crop=64, num_candidates=50, pairs=3)
        model, _ = model_for(tmp_path, "96", None)
        course, images = ranker_course("crface_mobilenet", recipe, 2, None, model, tmp_path)
        assert images == "2 drawn images of 1024 x 683"
        require_success(compute(course.graph, frozenset(course.graph.ancestors("ranker")), course.store))
        ours, bare = run_training(course, LocalExecutor), bare_training(course)
        assert 0 <= ours.part < ours.step < 5
        assert 0 == bare.part < bare.step < 5

    @pytest.mark.wider
    def test_real_images_come_from_all_events(self, shared: Path, tmp_path):
        model = Model(tmp_path / "x", "96")
        course, images = ranker_course("crface_mobilenet", RankerRecipe(), 40, shared, model, tmp_path)
        assert images == "40 real validation images"
        require_success(compute(course.graph, frozenset({"faces"}), course.store))
        rows = list(artifact(course.store, "faces").rows())
        assert len(rows) == 40
        assert len({row["image_id"].partition("/")[0] for row in rows}) > 30
        assert sum(len(row["x1"]) for row in rows) > 100


class TestReranking:
    @pytest.mark.parametrize("iou", [None, 0.4])
    def test_the_bare_ranker_gives_the_rows_of_the_node(self, tmp_path, iou):
        folder = tmp_path / "images"
        folder.mkdir()
        drawings = Synthetic(images=2, width=160, height=120)
        for number, entry in enumerate(drawings.entries()):
            (folder / f"{number}.png").write_bytes(drawings.image_bytes("", entry.path))
        model, _ = model_for(tmp_path, "original", None)
        files, store = sorted(folder.iterdir()), Store(str(tmp_path / "store"))
        bench, weights = Bench(folder, files, tmp_path, model, store, "", ""), ranker_for(tmp_path, "crface_mobilenet")
        graph = reranking_graph(bench, weights, "original", iou, Resources())
        require_success(compute(graph, frozenset(graph.order), bench.store))
        work = reranking(bench, weights, "original", iou)
        found = [row for table in artifact(bench.store, RANKED).tables() for row in read_detections(table)]
        given = [row for table in artifact(bench.store, BOXES).tables() for row in read_detections(table)]
        for number, row in enumerate(found):
            bare = work(number)
            np.testing.assert_array_equal(bare.boxes, row.boxes)
            np.testing.assert_array_equal(bare.scores, row.scores)
            assert 0 < len(row.boxes) <= len(given[number].boxes)
            assert (len(row.boxes) == len(given[number].boxes)) == (iou is None)

    @pytest.mark.parametrize(
        ("option", "words"), [("--ranker", "no ranker is called 'nonsense'"), ("--size", "nonsense")]
    )
    def test_what_there_is_not_is_refused_at_once(self, option, words):
        result = CliRunner().invoke(app, ["reranking", option, "nonsense"])
        assert result.exit_code == 2
        assert words in result.output


class TestJoining:
    def test_it_joins_what_was_drawn(self, tmp_path):
        graph, store = joining_graph(6, 40), Store(str(tmp_path))
        require_success(compute(graph, frozenset(graph.order), store))
        samples = [Sample.from_row(row) for row in artifact(store, "images").rows()]
        dumps = [[Detections.from_row(row) for row in artifact(store, name).rows()] for name in DUMPS]
        rows = [LabelledCandidates.from_row(row) for row in artifact(store, JOINED).rows()]
        assert [row.image_id for row in rows] == [sample.image_id for sample in samples]
        for number, row in enumerate(rows):
            assert row.valid == (40, 40, 40)
            for place, dump in enumerate(dumps):
                boxes, _, overlaps = row.of_detector(place)
                np.testing.assert_array_equal(boxes, dump[number].boxes)
                np.testing.assert_array_equal(overlaps, closest_overlap(boxes, samples[number].boxes))
        assert max(row.overlaps.max() for row in rows) > 0.2
        # Neither detectors nor images have their boxes in common.
        assert len({dump[number].boxes.tobytes() for dump in dumps for number in range(6)}) == 18

    def test_rows_depend_on_their_image_alone(self, tmp_path):
        few, many = Store(str(tmp_path / "few")), Store(str(tmp_path / "many"))
        for store, images in ((few, 3), (many, 9)):
            require_success(compute(joining_graph(images, 5), frozenset({"images", "second"}), store))
        assert list(artifact(few, "second").rows()) == list(artifact(many, "second").rows())[:3]

    def test_memory_is_compared_between_the_ends(self):
        joined = Joined(20, 1.0, 1.0, tuple(range(100, 120)), 50, 40)
        assert joined.ends_mb == (101, 119)
        assert Joined(2, 1.0, 1.0, (5, 7), 50, 40).ends_mb == (5, 7)

    def test_the_section(self):
        section = joining_section(12, 3)
        rows = {row.what.removeprefix("joining 12 images, 3 x 3 boxes, "): row.ours for row in section.rows}
        assert rows["rows/s"] > 0
        worker = "MB: peak of the worker, {} tenth"
        assert 30 < rows[worker.format("first")] <= rows[worker.format("last")] < 2000
        assert rows["MB: peak of the planning process"] > 30
        assert rows["s: planning"] > 0
