from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stages.labelled_set import labelled_set
from tests.stages.world import World

DATA = {"kind": "synthetic", "images": 4, "width": 160, "height": 120}


@pytest.fixture
def compared(world: World) -> World:
    """Two guesses about the same faces, the second one closer; false alarms are counted in the second alone."""
    world.node("faces", "index", dataset=DATA)
    for name, jitter in (("plain", 0.15), ("sharp", 0.05)):
        world.node(f"{name}_boxes", "guess", inputs={"samples": "faces"}, jitter=jitter)
        world.node(f"{name}_found", "suppress", inputs={"candidates": f"{name}_boxes"})
        world.node(name, "evaluate", inputs={"samples": "faces", "detections": f"{name}_found"})
    world.nodes["sharp"]["false_alarms"] = 0.5
    world.node("table", "table", inputs={"ap": ["plain", "sharp"]})
    return world


def text(world: World) -> str:
    return Path(world.store.path("table.md")).read_text(encoding="utf-8")


def test_rows_are_what_the_evaluations_say(compared: World) -> None:
    compared.done()
    rows = compared.rows("table")
    assert [row["name"] for row in rows] == ["plain", "sharp"]
    for row in rows:
        ap = {each["subset"]: each for each in compared.rows(row["name"])}
        assert {level: row[level] for level in ap} == {level: each["ap"] for level, each in ap.items()}
        assert row["alarms"] == ap["hard"]["alarms"]
        assert f"{100 * row['hard']:.2f}" in text(compared)
    assert rows[0]["hard"] < rows[1]["hard"]
    assert (rows[0]["alarm_score"], rows[0]["alarms"], rows[0]["recall"]) == (None, None, None)
    hard = compared.rows("sharp")[2]
    assert (rows[1]["alarm_score"], rows[1]["recall"]) == (0.5, hard["found"] / hard["faces"])
    facts = [json.loads(row["facts"]) for row in rows]
    assert [each["guess.jitter"] for each in facts] == [0.15, 0.05]
    assert facts[0]["suppress.iou"] == 0.4


def test_the_page_shows_what_sets_the_rows_apart(compared: World) -> None:
    compared.done()
    head, _, plain, sharp = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text(compared).splitlines())
    assert head == ["", "easy", "medium", "hard", "false alarms at 0.5", "hard recall at 0.5", "false_alarms", "jitter"]
    assert plain[0] == "plain"
    assert plain[4:] == ["–", "–", "–", "0.15"]
    assert sharp[4] == str(compared.rows("sharp")[2]["alarms"])
    assert sharp[6:] == ["0.5", "0.05"]


def test_a_trained_network_tells_its_recipe(compared: World) -> None:
    tiny = {"steps": 2, "batch": 1, "images": 2, "crop": 64, "warmup": 1}
    compared.node("network", "train_detector", inputs={"samples": "faces"}, recipe=tiny)
    made = {
        "stage": "predict",
        "inputs": {"samples": "faces", "checkpoint": "network"},
        "canvas": "original",
        "max_candidates": 9,
    }
    for row in ("plain", "sharp"):
        compared.nodes[f"{row}_boxes"] = made
    compared.done()
    facts = [json.loads(row["facts"]) for row in compared.rows("table")]
    content_hash = compared.rows("network")[0]["content_hash"]
    assert [(each["train_detector.recipe.steps"], each["train_detector.content_hash"]) for each in facts] == [
        (2, content_hash)
    ] * 2
    assert "steps" not in text(compared)
    assert content_hash[:8] not in text(compared)


def test_the_papers_figures_stand_beside_ours(compared: World) -> None:
    compared.nodes["table"]["paper"] = {"sharp": [95.1, 94.2, None, 192], "plain": [94.6, 93.4, None]}
    compared.done()
    rows = compared.rows("table")
    assert [row["paper_easy"] for row in rows] == pytest.approx([0.946, 0.951])
    assert [(row["paper_hard"], row["paper_alarms"]) for row in rows] == [(None, None), (None, 192)]
    head, _, plain, sharp = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text(compared).splitlines())
    assert head[6:9] == ["paper easy", "paper medium", "paper NFA"]
    assert (plain[6:9], sharp[6:9]) == (["94.6", "93.4", "–"], ["95.1", "94.2", "192"])


def test_another_node_on_the_way_is_another_table(compared: World) -> None:
    """By its rows and by its name, as if it were wired: the same boxes under another name are shown as such."""
    compared.done()
    assert compared.plan()["table"].fingerprint_fields["lineage"]["plain_found"] == {
        "candidates": {"plain_boxes": compared.artifact("plain_boxes").manifest.content_hash}
    }
    compared.nodes["twin_boxes"] = compared.nodes["plain_boxes"]
    compared.nodes["plain_found"]["inputs"]["candidates"] = "twin_boxes"
    assert {"table", "twin_boxes"} <= set(compared.done().computed) <= {"table", "twin_boxes", "plain_found"}
    assert [row["name"] for row in compared.rows("table")] == ["plain", "sharp"]


def test_a_table_waits_for_what_its_rows_came_from(compared: World) -> None:
    compared.done()
    for node in ("plain_boxes", "table"):
        compared.store.delete_folder(node)
    outcome = compared.run(selected=["table"])
    assert outcome.blocked == ["table"] and "plain_boxes" in outcome.missing


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("inputs", {"ap": ["plain", "plain"]}, "inputs.ap: expected each evaluation once, found plain, plain"),
        ("paper", {"shrap": [1, 2, 3]}, r"paper\.shrap: no row is called so \(did you mean 'sharp'\?\)"),
        ("paper", {"sharp": [1, 2]}, "sharp: expected easy, medium, hard and at most the false alarms"),
        ("paper", {"sharp": [0.951, 94.2, 870]}, r"sharp: an AP in per cent is in 0\.\.100"),
        ("paper", {"sharp": [95.1, 94.2, 87.4, 1.5]}, r"sharp: false alarms are a whole number, found 1\.5"),
    ],
)
def test_mistakes_are_named_before_anything_runs(compared: World, field: str, value: object, message: str) -> None:
    compared.nodes["table"][field] = value
    with pytest.raises(ValueError, match=message):
        compared.run()
    assert not Path(compared.store.url).exists() or not list(Path(compared.store.url).rglob("*.parquet"))


def test_the_command_prints_the_table_also_when_nothing_is_to_do(wider8k, world: World, weights: str) -> None:
    world.node("faces", "index", dataset={**DATA, "images": 2, "width": 96, "height": 64})
    world.node("boxes", "predict", inputs={"samples": "faces"}, path=weights, canvas="original", max_candidates=50)
    world.node("ap", "evaluate", inputs={"samples": "faces", "detections": "boxes"}, false_alarms=0.1)
    world.node("table", "table", inputs={"ap": "ap"})
    first = wider8k("run", "--local", "-c", world.config)
    assert first.code == 0, first.err
    assert f"table: {world.store.path('table.md')}\n{text(world)}" in first.out
    assert "| ap " in text(world)
    again = wider8k("run", "--local", "-c", world.config)
    assert "done: 0 computed, 4 reused" in again.out
    assert text(world) in again.out


def test_times_come_from_the_shards_of_each_row(compared: World) -> None:
    compared.node("best", "oracle", inputs={"samples": "faces", "candidates": "plain_boxes"})
    compared.node("ceiling", "evaluate", inputs={"samples": "faces", "detections": "best"})
    compared.node("fast", "evaluate", inputs={"samples": "faces", "detections": "plain_boxes"})
    compared.node("times", "table", inputs={"ap": ["plain", "ceiling", "fast"]}, timed=True, differences=False)
    compared.done()
    plain, ceiling, fast = compared.rows("times")
    boxes, found, best = (compared.artifact(node).ms_per_row() for node in ("plain_boxes", "plain_found", "best"))
    assert (plain["detect_ms"], plain["refine_ms"]) == (boxes, found)
    assert (ceiling["detect_ms"], ceiling["refine_ms"]) == (boxes, best)
    assert (fast["detect_ms"], fast["refine_ms"]) == (boxes, None)  # final as it is: nothing came after
    text = Path(compared.store.path("times.md")).read_text(encoding="utf-8")
    assert "| detect ms | refine ms |" in text.splitlines()[0].replace("  ", " ")
    assert "jitter" not in text and "inclusive" not in text
    assert all(row["detect_ms"] is None for row in compared.rows("table"))


def test_a_renamed_node_is_told_by_its_new_name(compared: World) -> None:
    compared.done()
    compared.nodes = {name.replace("sharp", "keen"): node for name, node in compared.nodes.items()}
    for node in compared.nodes.values():
        for port, names in node.get("inputs", {}).items():
            listed = [names] if isinstance(names, str) else names
            node["inputs"][port] = [name.replace("sharp", "keen") for name in listed]
    compared.done()
    assert [row["name"] for row in compared.rows("table")] == ["plain", "keen"]
    assert "keen" in text(compared) and "sharp" not in text(compared)


def test_a_row_without_an_ap_says_why(compared: World) -> None:
    compared.node("faces", "index", dataset="coco_json", path=labelled_set(compared.folder / "set", [20]))
    compared.done()
    *table, _, plain, _, sharp = text(compared).splitlines()
    assert [cell.strip() for cell in table[2].split("|")[1:3]] == ["plain", "–"]
    assert plain == "plain: no face counts in easy, medium: there is no AP"
    assert sharp == "sharp: no face counts in easy, medium: there is no AP"
