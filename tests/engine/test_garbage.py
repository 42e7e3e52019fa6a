from __future__ import annotations

import pytest

from pipeline.engine.garbage import unused_files


def paths(world, *sets, **options):
    return [path for path, size in unused_files(world.store, world.plan(*sets, **options)) if size > 0]


def test_nothing_is_unused_after_a_run_and_everything_else_after_a_change(world):
    world.run()
    assert paths(world) == []
    row_fingerprint = world.plan()["squares"].row_fingerprint
    world.run("squares.power=5")
    total = world.plan()["total"].row_fingerprint
    assert paths(world, "squares.power=5") == [f"squares/{row_fingerprint}", f"total/{total}"]


def test_shards_and_manifests_that_were_superseded_go_and_the_rest_is_still_used(world):
    world.run(limit=3)
    world.run()
    gone = paths(world)
    assert any("squares" in path and "manifest" in path for path in gone)
    for path in gone:
        world.store.delete(path) if path.endswith((".json", ".parquet")) else world.store.delete_folder(path)
    assert {each.decision.value for each in world.plan().values()} == {"reuse"}
    assert paths(world) == []


def test_shards_of_an_unfinished_output_are_kept(world):
    world.run("squares.fail_on=n003", "squares.run.max_error_share=0.01")
    assert not any("squares" in path for path in paths(world, "squares.fail_on=n003"))


def test_what_a_blocked_node_uses_is_unknown(world, tmp_path):
    world.run()
    (tmp_path / "numbers.txt").unlink()
    with pytest.raises(ValueError, match="it is unknown what numbers uses"):
        paths(world)
