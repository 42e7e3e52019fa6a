from __future__ import annotations

from pipeline.engine.plan import Decision


def decisions(plans):
    return {name: each.decision.value for name, each in plans.items()}


def test_before_the_first_run_everything_runs(world):
    plans = world.plan()
    assert set(decisions(plans).values()) == {"run"}
    assert "nothing stored" in plans["numbers"].reason
    assert plans["total"].reason.endswith("after squares, cubes")


def test_after_a_run_everything_is_reused(world):
    world.run()
    assert set(decisions(world.plan()).values()) == {"reuse"}


def test_a_changed_parameter_reruns_its_node_and_what_depends_on_it(world):
    world.run()
    plans = world.plan("squares.power=4")
    assert decisions(plans) == {"numbers": "reuse", "squares": "run", "cubes": "reuse", "total": "run"}
    assert "params.power 2 -> 4" in plans["squares"].reason


def test_machines_paths_and_batch_sizes_change_nothing(world, tmp_path):
    world.run()
    elsewhere = tmp_path / "moved.txt"
    (tmp_path / "numbers.txt").rename(elsewhere)
    plans = world.plan(f"numbers.path={elsewhere}", "squares.run.workers=7", "squares.run.shard_rows=5", "cubes.path=x")
    assert set(decisions(plans).values()) == {"reuse"}


def test_an_added_number_resumes_its_root(world):
    world.run()
    world.numbers(range(11))
    plans = world.plan()
    assert decisions(plans) == {"numbers": "resume", "squares": "run", "cubes": "run", "total": "run"}
    assert plans["numbers"].reason == "10 of 11 items stored, 1 to do in 1 shards"


def test_missing_data_blocks_its_node_and_what_follows(world, tmp_path):
    (tmp_path / "numbers.txt").unlink()
    plans = world.plan()
    assert set(decisions(plans).values()) == {"blocked"}
    assert plans["numbers"].invalid
    assert not plans["total"].invalid
    assert "numbers.txt" in plans["numbers"].reason
    assert plans["squares"].reason == "by numbers"


def test_nodes_that_are_not_selected_serve_only_if_stored(world):
    plans = world.plan(selected=["squares"])
    assert decisions(plans)["numbers"] == Decision.SKIPPED
    assert decisions(plans)["squares"] == "blocked"
    world.run()
    plans = world.plan("squares.power=9", selected=["squares"])
    assert decisions(plans)["squares"] == "run"
    assert decisions(plans)["total"] == Decision.SKIPPED


def test_force_computes_a_stored_node_again(world):
    world.run()
    plans = world.plan(force=frozenset({"cubes"}))
    assert decisions(plans) == {"numbers": "reuse", "squares": "reuse", "cubes": "run", "total": "run"}


def test_limit_is_a_dataset_of_its_own(world):
    world.run()
    plans = world.plan(limit=4)
    assert decisions(plans)["numbers"] == "resume"
    assert plans["numbers"].reason == "4 of 4 items stored, 0 to do in 0 shards"


def test_truncated_missing_and_foreign_shards_are_seen(world):
    world.run()
    folder = world.store.path(f"squares/{world.plan()['squares'].row_fingerprint}")
    shards = sorted(
        name
        for name in world.store.sizes(folder[len(world.store.url) + 1 :])
        if name.startswith("shard-") and name.endswith(".parquet")
    )
    with open(f"{folder}/{shards[0]}", "r+b") as file:
        file.truncate(100)
    world.store.delete(f"{folder[len(world.store.url) + 1 :]}/{shards[1]}")
    record = f"{folder}/{shards[2].replace('.parquet', '.json')}"
    text = open(record).read()
    open(record, "w").write(text.replace('"row_fingerprint": "', '"row_fingerprint": "00'))
    plans = world.plan()
    assert plans["squares"].decision == Decision.RESUME
    # The foreign record is met because the manifest is no longer whole.
    reason, _, names = plans["squares"].reason.partition("; damaged or missing: ")
    assert reason == "4 of 10 items stored, 6 to do in 3 shards"
    assert set(names.split(", ")) == {shard.removesuffix(".parquet") for shard in shards[:3]}
