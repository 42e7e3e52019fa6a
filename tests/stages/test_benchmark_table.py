from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stages.drawn_benchmark import write_benchmark
from tests.stages.world import World


@pytest.fixture
def world_of_two(world: World, tmp_path: Path) -> World:
    """Wide and close guesses about seven drawn images, each on PASCAL Face's and COCO's protocol."""
    root = write_benchmark(tmp_path / "set")
    world.node("faces", "index", dataset="fddb", path=str(root))
    names = []
    for name, jitter in (("wide", 0.25), ("close", 0.03)):
        world.node(f"found_{name}", "guess", inputs={"samples": "faces"}, jitter=jitter)
        for benchmark, labels in (("pascal", "faces.csv"), ("coco", "faces.json")):
            inputs = {"samples": "faces", "detections": f"found_{name}"}
            world.node(f"{benchmark}_{name}", "benchmark", inputs=inputs, benchmark=benchmark, path=str(root / labels))
            names.append(f"{benchmark}_{name}")
    world.node("table", "benchmark_table", inputs={"figures": names}, title="Drawn <faces>")
    return world


def test_results_stand_beside_each_other_with_what_differs(world_of_two: World) -> None:
    world_of_two.done()
    rows = world_of_two.rows("table")
    assert [row["name"] for row in rows] == ["pascal_wide", "coco_wide", "pascal_close", "coco_close"]
    for row in rows:
        assert row["content"] == world_of_two.rows(row["name"])[0]["content"]
    text = world_of_two.store.read("table.md").decode()
    assert [line for line in text.splitlines() if line.startswith("##")] == ["## PASCAL Face", "## COCO"]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    head, _, wide, close = cells[:4]
    assert head == ["", "ap", "images", "faces", "jitter"]
    ap = [json.loads(world_of_two.rows(name)[0]["content"])["ap"] for name in ("pascal_wide", "pascal_close")]
    assert [wide[1], close[1]] == [f"{100 * each:.2f}" for each in ap] and ap[0] < ap[1]
    assert [wide[-1], close[-1]] == ["0.25", "0.03"]


def test_the_page_has_the_curves_of_all(world_of_two: World) -> None:
    world_of_two.done()
    page = world_of_two.store.read("table.html").decode()
    assert "Drawn &lt;faces&gt;" in page and "PASCAL Face: precision and recall" in page
    assert page.count('class="plot chart"') == 4
    world_of_two.nodes["table"]["differences"] = False
    world_of_two.done()
    assert "jitter" not in world_of_two.store.read("table.md").decode()


def test_a_report_shows_them_too(world_of_two: World) -> None:
    names = ["pascal_wide", "pascal_close"]
    world_of_two.node("page", "report", inputs={"samples": "faces", "detections": "found_wide", "figures": names}, gallery=0)  # fmt: skip
    world_of_two.done()
    page = world_of_two.store.read("page.html").decode()
    assert "PASCAL Face: precision and recall" in page
    assert "jitter" in page and "pascal_<wbr>close" in page


def test_the_same_result_twice_is_refused(world_of_two: World) -> None:
    world_of_two.nodes["table"]["inputs"] = {"figures": ["coco_wide", "coco_wide"]}
    with pytest.raises(ValueError, match=r"inputs\.figures: expected each result once, found coco_wide, coco_wide"):
        world_of_two.run()
