"""What an output's identity is made of, one thing at a time, and which choices reach which nodes."""

from __future__ import annotations

from typing import ClassVar

import pytest

from pipeline.engine.config import load_config
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.fingerprint import hash_json
from pipeline.engine.graph import Graph, Node
from pipeline.engine.plan import Options, context, differences, plan
from pipeline.engine.runner import Runner
from pipeline.engine.stage import Item, Resources, StageContext
from tests.engine.conftest import World
from tests.engine.squares import STAGES, Numbers, Squares, Total


def decisions(world: World, *sets: str, **options: object) -> dict[str, str]:
    return {name: each.decision.value for name, each in world.plan(*sets, **options).items()}


def test_another_version_of_a_stage_is_another_output(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run()
    world.traced()
    monkeypatch.setattr(Squares, "version", "2")
    plans = world.plan()
    assert {name: each.decision.value for name, each in plans.items()} == {
        "numbers": "reuse", "squares": "run", "cubes": "run", "total": "run",
    }  # fmt: skip
    assert plans["squares"].reason == "changed: version 1 -> 2; 10 items in 5 shards"
    assert world.run().computed == ["squares", "cubes", "total"]
    assert len(world.traced()) == 10


def test_another_version_of_a_stage_of_one_shard_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run()
    monkeypatch.setattr(Total, "version", "2")
    assert decisions(world) == {"numbers": "reuse", "squares": "reuse", "cubes": "reuse", "total": "run"}
    assert world.plan()["total"].reason == "changed: version 1 -> 2"
    assert world.run().computed == ["total"]


def test_another_stage_with_the_same_parameters_is_another_output(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run()
    monkeypatch.setattr(Total, "name", "sum")
    assert world.plan()["total"].reason == "changed: stage total -> sum"


def test_other_weights_are_another_output(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Squares, "file_hashes", lambda self, path: {"weights": "first"})
    world.run()
    assert set(decisions(world).values()) == {"reuse"}
    monkeypatch.setattr(Squares, "file_hashes", lambda self, path: {"weights": "second"})
    assert decisions(world) == {"numbers": "reuse", "squares": "run", "cubes": "run", "total": "run"}
    assert "file_hashes.weights first -> second" in world.plan()["squares"].reason


@pytest.mark.parametrize("named", [False, True])
def test_names_of_nodes_count_where_the_output_has_them(
    world: World, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    monkeypatch.setattr(Total, "names_in_identity", named)
    world.run()
    config = world.folder / "config.yaml"
    config.write_text(config.read_text().replace("cubes", "thirds"))
    assert world.run().computed == (["thirds", "total"] if named else ["thirds"])


def test_a_number_of_another_value_is_another_item(world: World) -> None:
    world.run()
    world.traced()
    (world.folder / "numbers.txt").write_text("".join(f"n{i:03d} {70 if i == 7 else i}\n" for i in range(10)))
    assert world.plan()["numbers"].reason == "9 of 10 items stored, 1 to do in 1 shards"
    assert world.run().computed == ["numbers", "squares", "cubes", "total"]
    assert "n007" in world.traced()
    assert world.total() == sum(i**2 + i**3 for i in [*range(7), 70, 8, 9])


def test_a_number_more_leaves_the_row_fingerprint_as_it_is(world: World) -> None:
    before = world.plan()["numbers"]
    world.numbers(range(11))
    after = world.plan()["numbers"]
    assert after.row_fingerprint == before.row_fingerprint
    assert after.fingerprint != before.fingerprint


def test_force_reaches_only_what_is_selected(world: World) -> None:
    world.run()
    assert decisions(world, selected=["squares"], force=frozenset({"cubes"})) == dict.fromkeys(world.plan(), "reuse")
    outcome = world.run(selected=["total"], force=frozenset({"cubes", "total"}))
    assert outcome.computed == ["total"]
    assert outcome.blocked == []


def test_errors_are_retried_only_of_what_is_selected(world: World) -> None:
    sets = ("squares.fail_on=n003",)
    world.run(*sets)
    assert decisions(world, *sets, selected=["cubes", "total"], retry_errors=True)["squares"] == "reuse"
    plans = world.plan(*sets, selected=["squares"], retry_errors=True)
    assert plans["squares"].reason == "9 of 10 items stored, 1 to do in 1 shards"


class Twice(Squares):
    """Two rows of every number."""

    name: ClassVar[str] = "twice"

    def items(self, ctx: StageContext) -> list[Item]:
        return [Item(item.key + half, item.version, item.data) for item in super().items(ctx) for half in "ab"]


def test_a_limit_counts_items_of_datasets_and_not_what_is_made_from_them(world: World) -> None:
    nodes = [
        Node("numbers", Numbers(), path=str(world.folder / "numbers.txt")),
        Node("twice", Twice(), {"numbers": ("numbers",)}, resources=Resources(shard_rows=4)),
    ]
    graph, options = Graph(nodes), Options(frozenset({"numbers", "twice"}), limit=3)
    assert Runner(graph, world.store, options, LocalExecutor).run().computed == ["numbers", "twice"]
    plans = plan(graph, world.store, options)
    assert [plans[name].reason for name in ("numbers", "twice")] == ["3 rows stored", "6 rows stored"]


def test_what_a_waiting_node_waits_for_and_what_of_its_own_changed(world: World) -> None:
    world.run()
    world.numbers(range(11))
    assert world.plan("total.broken=true")["total"].reason == (
        "changed: params.broken False -> True; after squares, cubes"
    )
    assert world.plan()["total"].reason == "after squares, cubes"


def test_long_values_and_many_changes_are_shown_in_short(world: World) -> None:
    world.run("squares.power=3", "squares.fail_on=a-name-that-is-so-long-that-none-reads-it")
    reason = world.plan("squares.die_on=x", "squares.seconds=0.5")["squares"].reason
    assert reason == (
        "changed: params.die_on  -> x; params.fail_on a-name-tha..s-it ->  and 2 more; 10 items in 5 shards"
    )


def test_of_two_changes_both_are_shown_and_no_more(world: World) -> None:
    world.run()
    reason = world.plan("squares.power=3", "squares.die_on=x")["squares"].reason
    assert reason == "changed: params.die_on  -> x; params.power 2 -> 3; 10 items in 5 shards"


def test_what_is_missing_is_named(world: World) -> None:
    plans = world.plan(selected=["total"])
    assert plans["squares"].reason == "not selected, and its inputs are not stored"
    assert plans["numbers"].reason == "not selected and not stored"
    assert plans["total"].reason == "by squares, cubes"
    assert not any(each.invalid for each in plans.values())


def test_shards_without_their_manifest_serve_again(world: World) -> None:
    world.run()
    world.traced()
    for node in ("squares", "total"):
        folder = f"{node}/{world.plan()[node].row_fingerprint}"
        for name in world.store.sizes(folder):
            if name.startswith("manifest"):
                world.store.delete(f"{folder}/{name}")
    plans = world.plan()
    assert plans["squares"].reason == "10 of 10 items stored, 0 to do in 0 shards"
    world.run()
    assert world.traced() == []


def test_an_identity_is_made_of_this_and_stays_what_it_was(world: World) -> None:
    # A release that changes these computes everything again that people have stored.
    world.run("cubes.fail_on=x")
    plans = world.plan("cubes.fail_on=x")
    contents = {name: plans[name].artifact.manifest.content_hash for name in plans}
    params = {"die_on": "", "fail_on": "x", "flaky": False, "open_fails": False, "power": 3, "seconds": 0}
    assert plans["cubes"].fingerprint_fields == {
        "file_hashes": {}, "format": "2", "inputs": {"numbers": [contents["numbers"]]}, "params": params,
        "stage": "squares", "version": "1",
    }  # fmt: skip
    assert plans["numbers"].fingerprint_fields == {
        "dataset": {"content_hash": "7dc286c4890f8dc4d1b41bc3", "items": 10}, "file_hashes": {}, "format": "2", "inputs": {},
        "params": {"plus": 0}, "stage": "numbers", "version": "1",
    }  # fmt: skip
    assert (plans["numbers"].fingerprint, plans["numbers"].row_fingerprint) == (
        "ce687dc8073d23630a44a1c9", "eee2ad990f45cad6",
    )  # fmt: skip


def test_changes_are_shown_against_the_output_that_differs_least(world: World) -> None:
    world.run("squares.die_on=a", "squares.fail_on=b", "squares.power=6")
    world.run("squares.power=5")
    world.run("squares.die_on=c", "squares.fail_on=d")
    fields = differences(world.plan("squares.power=6")["squares"], world.store)
    assert fields == [("params.power", 5, 6)]


def test_the_row_fingerprint_of_a_whole_stage_has_all_fields(world: World) -> None:
    world.run()
    total = world.plan()["total"]
    assert total.fingerprint_fields is not None
    assert (total.row_fingerprint, total.fingerprint) == (
        hash_json(total.fingerprint_fields, size=8),
        hash_json(total.fingerprint_fields),
    )


def test_a_stage_gets_the_hashes_it_was_planned_with(world: World) -> None:
    world.run()
    graph = load_config(world.folder / "config.yaml", STAGES).graph
    ctx = context(graph, "total", plan(graph, world.store, Options(frozenset(graph.order))), {"weights": "abc"})
    assert (ctx.node, ctx.path, ctx.file_hashes) == ("total", None, {"weights": "abc"})
    assert [artifact.node for artifact in ctx.inputs["numbers"]] == ["squares", "cubes"]
    assert ctx.dataset_paths == {
        "numbers": str(world.folder / "numbers.txt"), "squares": str(world.folder / "trace"), "cubes": None,
        "total": None,
    }  # fmt: skip


def test_of_a_blocked_node_no_changes_are_shown(world: World) -> None:
    world.run()
    (world.folder / "numbers.txt").unlink()
    assert differences(world.plan()["total"], world.store) is None
