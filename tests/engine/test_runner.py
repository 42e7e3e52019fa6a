from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.engine.capacity import Machine
from pipeline.engine.config import load_config
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.manifest import Artifact, stored_manifests
from pipeline.engine.outcome import Outcome
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from tests.engine.squares import STAGES

# How it looks: a user's experiment, run, run again, and run with one value changed.

EXPERIMENT = """
name: experiment
store: {folder}/store
nodes:
  numbers: {{stage: numbers, path: {folder}/numbers.txt}}
  powers: {{stage: squares, inputs: {{numbers: numbers}}}}
  total: {{stage: total, inputs: {{numbers: powers}}}}
"""


def test_an_experiment_is_run_and_changed_in_one_value(tmp_path):
    (tmp_path / "numbers.txt").write_text("two 2\nthree 3\n")
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT.format(folder=tmp_path))
    store = Store(str(tmp_path / "store"))

    def run(*sets: str) -> Outcome:
        graph = load_config(tmp_path / "experiment.yaml", STAGES, sets).graph
        return Runner(graph, store, Options(frozenset(graph.order)), LocalExecutor).run()

    assert run().computed == ["numbers", "powers", "total"]
    assert store.read("total.txt") == b"13"
    assert run().reused == ["numbers", "powers", "total"]
    cubes = run("powers.power=3")
    assert (cubes.reused, cubes.computed) == (["numbers"], ["powers", "total"])
    assert store.read("total.txt") == b"35"


# What a run does in every case.

SQUARES, CUBES = sum(i**2 for i in range(10)), sum(i**3 for i in range(10))


class NeverExecutor(LocalExecutor):
    def __init__(self) -> None:
        raise AssertionError("nothing was to be done, yet an executor was made")


class SmallExecutor(LocalExecutor):
    def machines(self) -> tuple[Machine, ...]:
        return (Machine(2.0),)


def rows(world, node):
    """(key, value) of a node's newest output, in the order of the shards."""
    artifact = Artifact(world.store, stored_manifests(world.store, node)[0])
    return [(row["image_id"], row["value"]) for row in artifact.rows()]


def test_a_run_computes_everything_once(world):
    outcome = world.run()
    assert outcome.computed == ["numbers", "squares", "cubes", "total"]
    assert world.total() == SQUARES + CUBES
    assert rows(world, "squares") == [(f"n{i:03d}", i * i) for i in range(10)]
    assert len(world.traced()) == 10


def test_a_second_run_makes_no_executor(world):
    world.run()
    assert world.run(executor=NeverExecutor).reused == ["numbers", "squares", "cubes", "total"]


def test_added_numbers_alone_are_computed(world):
    world.run()
    world.traced()
    world.numbers([*range(5), 77, *range(5, 10)])
    world.run()
    assert world.traced() == ["n077"]
    assert sorted(rows(world, "squares")) == sorted((f"n{i:03d}", i * i) for i in [*range(10), 77])
    assert world.total() == SQUARES + CUBES + 77**2 + 77**3


def test_removed_numbers_no_longer_count(world):
    world.run()
    world.traced()
    world.numbers(range(7))
    world.run()
    assert world.traced() == []
    assert world.total() == sum(i**2 + i**3 for i in range(7))


def test_damage_is_repaired_and_nothing_else_touched(world):
    world.run()
    world.traced()
    before = world.total()
    artifact = Artifact(world.store, stored_manifests(world.store, "squares")[0])
    entry = artifact.manifest.shards[1]
    path = world.store.path(f"{artifact.manifest.folder}/{entry.name}.parquet")
    good = open(path, "rb").read()
    open(path, "wb").write(good[:-7])
    world.run()
    assert world.traced() == artifact.table(entry.name)["image_id"].to_pylist()
    assert open(path, "rb").read() == good
    assert world.total() == before


def test_equal_work_gives_equal_bytes(world):
    world.run()
    first = {s.name: s.content_hash for s in stored_manifests(world.store, "squares")[0].shards}
    world.run(force=frozenset({"squares"}))
    assert {s.name: s.content_hash for s in stored_manifests(world.store, "squares")[0].shards} == first


def test_a_failing_node_stops_only_what_depends_on_it(world):
    flaky = (f"squares.path={world.folder}", "squares.flaky=true")  # two of ten fail
    outcome = world.run(*flaky, "squares.run.max_error_share=0.05")
    assert outcome.computed == ["numbers", "cubes"]
    assert outcome.blocked == ["total"]
    assert "2 of 10 rows are errors (20.0%), allowed are 5.0%" in outcome.failed["squares"]
    assert "n003: set to fail" in outcome.failed["squares"]

    # Nothing is computed twice once the share is allowed.
    def shards():
        folder = world.store.path(f"squares/{world.plan(*flaky)['squares'].row_fingerprint}")
        return {file.name: file.stat().st_mtime_ns for file in Path(folder).glob("shard-*")}

    before = shards()
    outcome = world.run(*flaky, "squares.run.max_error_share=0.2")
    assert outcome.computed == ["squares", "total"]
    assert before
    assert shards() == before


def test_an_exception_is_reported_and_its_trace_kept(world):
    outcome = world.run("total.broken=true")
    assert outcome.failed == {"total": "RuntimeError: set to break"}
    logs = world.store.sizes("runs")
    assert any(b"Traceback" in world.store.read(f"runs/{name}") for name in logs)


def test_errors_are_retried_on_request_only(world):
    world.run("squares.fail_on=n003")
    world.traced()
    assert world.run("squares.fail_on=n003").computed == []
    outcome = world.run("squares.fail_on=n003", retry_errors=True)
    assert world.traced() == ["n003"]
    assert outcome.computed == ["squares", "total"]
    assert outcome.reused == ["numbers", "cubes"]


def test_a_retry_that_succeeds_reaches_what_depends_on_it(world, tmp_path):
    # The same identity, but the trouble (say, a disk that was full) is over: `flaky` fails while the file exists.
    (tmp_path / "trouble").touch()
    sets = (f"squares.path={tmp_path / 'trouble'}", "squares.flaky=true")
    world.run(*sets)
    assert world.total() < SQUARES + CUBES
    (tmp_path / "trouble").unlink()
    assert world.run(*sets).computed == []
    outcome = world.run(*sets, retry_errors=True)
    assert outcome.computed == ["squares", "total"]
    assert world.total() == SQUARES + CUBES


def test_a_retried_error_does_not_come_back(world, tmp_path):
    (tmp_path / "trouble").touch()
    sets = (f"squares.path={tmp_path / 'trouble'}", "squares.flaky=true")
    world.run(*sets)
    (tmp_path / "trouble").unlink()
    world.run(*sets, retry_errors=True)
    world.numbers(range(11))
    world.run(*sets)
    assert stored_manifests(world.store, "squares")[0].errors == ()
    assert world.total() == SQUARES + CUBES + 100 + 1000


def test_exported_files_belong_to_the_output_that_is_wanted(world):
    world.run()
    world.run("squares.power=5")
    assert world.total() != SQUARES + CUBES
    world.run(executor=NeverExecutor)
    assert world.total() == SQUARES + CUBES


def test_what_was_forced_and_came_out_the_same_changes_nothing_else(world):
    world.run()
    outcome = world.run(force=frozenset({"squares"}))
    assert outcome.computed == ["squares"]
    assert sorted(outcome.reused) == ["cubes", "numbers", "total"]


def test_a_result_that_came_out_different_reaches_everything_that_depends_on_it(world, tmp_path):
    # As training on another machine may: the same identity, other bytes.
    (tmp_path / "trouble").touch()
    sets = (f"squares.path={tmp_path / 'trouble'}", "squares.flaky=true")
    world.run(*sets)
    before = world.total()
    (tmp_path / "trouble").unlink()
    outcome = world.run(*sets, force=frozenset({"squares"}))
    assert outcome.computed == ["squares", "total"]
    assert world.total() == SQUARES + CUBES != before


def test_a_missing_record_is_damage_like_any_other(world):
    world.run()
    world.traced()
    manifest = stored_manifests(world.store, "squares")[0]
    world.store.delete(f"{manifest.folder}/{manifest.shards[0].name}.json")
    assert world.plan()["squares"].decision.value == "resume"
    world.run()
    assert len(world.traced()) == manifest.shards[0].rows
    assert world.plan()["squares"].decision.value == "reuse"


class ForgetfulExecutor(LocalExecutor):
    """Its workers write where the driver does not read, as without a shared store."""

    def shards(self, job, todo):
        for record in super().shards(job, todo):
            job.store.delete(f"{job.folder}/{record.name}.parquet")
            yield record


def test_a_store_that_is_not_shared_is_noticed_at_once(world):
    outcome = world.run(executor=ForgetfulExecutor)
    assert "wrote are not to be seen here" in outcome.failed["numbers"]
    assert stored_manifests(world.store, "numbers") == []


def test_one_bad_image_never_stops_a_run_but_no_good_one_does(world):
    world.numbers([3, 4, 5])
    assert not world.run("squares.fail_on=n003", "squares.run.max_error_share=0").failed
    world.numbers([3])
    assert (
        "1 of 1 rows are errors" in world.run("squares.fail_on=n003", "squares.run.max_error_share=0").failed["squares"]
    )


def test_a_mistake_stops_the_run_before_any_work(world, tmp_path):
    (tmp_path / "numbers.txt").unlink()
    with pytest.raises(ValueError, match=r"nothing was started(.|\n)*numbers.txt"):
        world.run(executor=NeverExecutor)


def test_more_workers_than_the_cluster_has_room_for_are_fewer_and_one_too_large_is_refused(world, capsys):
    with pytest.raises(ValueError, match=r"squares: a worker takes 3 cpus.*try --set squares.run.cpus=2"):
        world.run("squares.run.cpus=3", executor=SmallExecutor)
    assert world.traced() == []
    assert not world.run("squares.run.workers=3", executor=SmallExecutor).failed
    assert "squares: 3 workers of 1 cpus each are wished for, and the cluster has room for 2" in capsys.readouterr().err


def test_what_is_exported_comes_back_when_deleted(world):
    world.run()
    world.store.delete("total.txt")
    world.run(executor=NeverExecutor)
    assert world.total() == SQUARES + CUBES


def test_no_traces_of_work_in_progress_remain(world):
    world.run()
    for node in ("numbers", "squares", "cubes", "total"):
        for row_fingerprint in world.store.folders(node):
            assert world.store.folders(f"{node}/{row_fingerprint}") == []


def test_shards_hold_their_row_fingerprint_and_compact_encoding(world):
    world.run()
    artifact = Artifact(world.store, stored_manifests(world.store, "squares")[0])
    path = world.store.path(f"{artifact.manifest.folder}/{artifact.manifest.shards[0].name}.parquet")
    assert pq.read_schema(path).metadata[b"wider8k.row_fingerprint"].decode() == artifact.manifest.row_fingerprint
    assert pq.read_metadata(path).row_group(0).column(0).compression == "ZSTD"
