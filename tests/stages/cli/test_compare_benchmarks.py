from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stages.drawn_benchmark import write_benchmark
from tests.stages.world import World


@pytest.fixture
def runs(world: World, tmp_path: Path) -> World:
    """Two results on PASCAL Face's protocol and one on COCO's, and an evaluation."""
    root = write_benchmark(tmp_path / "set")
    world.node("faces", "index", dataset="fddb", path=str(root))
    for name, jitter in (("wide", 0.25), ("close", 0.03)):
        world.node(f"found_{name}", "guess", inputs={"samples": "faces"}, jitter=jitter)
        inputs = {"samples": "faces", "detections": f"found_{name}"}
        world.node(name, "benchmark", inputs=inputs, benchmark="pascal", path=str(root / "faces.csv"))
    world.node("other", "benchmark", inputs=inputs, benchmark="coco", path=str(root / "faces.json"))
    world.node("ap", "evaluate", inputs=inputs)
    world.done()
    return world


def test_two_results_of_one_benchmark(wider8k, runs: World, tmp_path: Path) -> None:
    url = runs.store.url
    files = ("--json", tmp_path / "c.json", "--report", tmp_path / "c.html")
    answer = wider8k("compare", f"{url}/wide", f"{url}/close", *files)
    assert answer.code == 0, answer.err
    a, b = (json.loads(runs.rows(name)[0]["content"])["ap"] for name in ("wide", "close"))
    expected = (
        f"close against wide on PASCAL Face: ap {100 * a:.2f} to {100 * b:.2f} ({100 * (b - a):+.2f}). No interval"
    )
    assert answer.out.startswith(expected)
    assert b > a
    assert "detections.params.jitter  0.25   0.03" in answer.out
    content = json.loads((tmp_path / "c.json").read_text())
    assert content == {
        "runs": ["wide", "close"],
        "benchmark": "PASCAL Face",
        "figures": {"ap": {"a": a, "b": b}},
        "config": [{"field": "detections.params.jitter", "a": 0.25, "b": 0.03}],
    }
    page = (tmp_path / "c.html").read_text()
    assert f"wider8k compare {url}/wide {url}/close" in page and page.count('class="plot chart"') == 1


def test_what_does_not_compare_is_named(wider8k, runs: World) -> None:
    url = runs.store.url
    for arguments, words in (
        (("wide", "other"), "wide is of PASCAL Face and other of COCO: their figures do not compare"),
        (("wide", "ap"), "/wide is a result of a benchmark: expected another one beside it, found"),
        (("wide", "close", "--nms", "0.4"), "--nms: expected with predictions only, found results of a benchmark"),
    ):
        names = [f"{url}/{each}" if each.isalpha() else each for each in arguments]
        answer = wider8k("compare", *names)
        assert (answer.code, answer.out) == (2, "")
        assert words in answer.err


@pytest.mark.wider
def test_two_published_lists_of_fddb_by_their_json(wider8k, shared: Path, tmp_path: Path) -> None:
    folds = shared / "data/fddb/FDDB-folds"
    for name in ("MTCNN", "jfda"):
        options = ("--benchmark", "fddb", "--labels", folds, "--json", tmp_path / f"{name}.json")
        assert wider8k("evaluate", shared / f"data/fddb/detections/{name}", *options).code == 0
    answer = wider8k("compare", tmp_path / "MTCNN.json", tmp_path / "jfda.json", "--report", tmp_path / "c.html")
    assert answer.code == 0, answer.err
    a, b = (json.loads((tmp_path / f"{name}.json").read_text())["discrete"][-1][1] for name in ("MTCNN", "jfda"))
    words = f"discrete {100 * a:.2f} to {100 * b:.2f} ({100 * (b - a):+.2f}). No interval"
    assert words in answer.out and "continuous" in answer.out
    assert "What differs" not in answer.out
    assert (tmp_path / "c.html").read_text().count('class="plot chart"') == 2


def test_a_stored_result_and_a_file_differ_by_their_protocol(wider8k, runs: World, tmp_path: Path) -> None:
    url, file = runs.store.url, tmp_path / "close.json"
    file.write_bytes(runs.store.read("close.json").replace(b'"voc"', b'"face-eval"'))
    answer = wider8k("compare", f"{url}/wide", file)
    assert answer.code == 0, answer.err
    assert "protocol.name" in answer.out and "jitter" not in answer.out
    for content, words in (
        (b"{", "expected the --json of an evaluation, found that"),
        (b"{}", "protocol.benchmark: expected one of FDDB, "),
        (b"[]", "/wide is a result of a benchmark: expected another one beside it, found"),
    ):
        file.write_bytes(content)
        answer = wider8k("compare", f"{url}/wide", file)
        assert answer.code == 2 and words in answer.err


def test_figures_of_other_faces_or_detections_are_named(wider8k, tmp_path: Path) -> None:
    root = write_benchmark(tmp_path / "set")
    names = [image["file_name"] for image in json.loads((root / "faces.json").read_text())["images"]]
    (root / "rows.csv").write_text("image,x1,y1,x2,y2,score\n" + "".join(f"{name},10,10,40,50,0.5\n" for name in names))
    files = [tmp_path / f"{number}.json" for number in (100, 5)]
    for file in files:
        options = (
            "--benchmark",
            "coco",
            "--labels",
            root / "faces.json",
            "--max-detections",
            file.stem,
            "--json",
            file,
        )
        assert wider8k("evaluate", root / "rows.csv", *options).code == 0
    answer = wider8k("compare", *files)
    assert answer.code == 0, answer.err
    assert "ar100" not in answer.out and "ap50" in answer.out and "No interval" in answer.out
    content = json.loads(files[1].read_text())
    files[1].write_text(json.dumps({**content, "faces": content["faces"] + 1}))
    assert "They are of other images or faces, and do not compare." in wider8k("compare", *files).out
