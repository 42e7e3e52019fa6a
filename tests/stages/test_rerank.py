from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.boxes.suppression import nms
from pipeline.data.canvas import Canvas
from pipeline.data.images import encode_png
from pipeline.data.records import Detections, ScoredBoxes
from pipeline.engine.fingerprint import hash_json
from pipeline.engine.plan import Decision, context
from pipeline.inference.rerank import Reranker
from pipeline.models.rankers import RANKERS
from pipeline.models.weights import open_ranker, save_bytes
from stages.rerank import Rerank
from tests.stages.world import World, drawn_image

SWITCHES = {"num_candidates": 80}


@pytest.fixture(scope="session")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a ranker that corrects by large random numbers."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = RANKERS["roi_mobilenet"].build(**SWITCHES)
        torch.nn.init.normal_(built.answer[-1].weight)
    file = tmp_path_factory.mktemp("ranker") / "ranker.safetensors"
    file.write_bytes(save_bytes("roi_mobilenet", built, {"model_args": SWITCHES}))
    return str(file)


LENIENT = {"max_error_share": 0.9, "shard_rows": 2}


@pytest.fixture
def photos(world: World, weights: str) -> Path:
    return world.dump_of_photos(weights, 120, LENIENT)


@pytest.fixture
def wired(world: World, photos: Path, ranker: str) -> World:
    world.node("ranked", "rerank", inputs={"samples": "images", "candidates": "boxes"}, path=ranker, run=LENIENT)
    return world


def expected(found: Detections, name: str, reranker: Reranker, iou: float | None) -> ScoredBoxes:
    ranked = reranker(drawn_image(int(name[0])), found.scored)
    if iou is None:
        return ranked
    return ranked.take(nms(torch.from_numpy(ranked.boxes), torch.from_numpy(ranked.scores), iou).numpy())


@pytest.mark.parametrize(
    ("sets", "iou", "options"),
    [
        ((), 0.4, {}),
        (("iou=0.7", "score_format=clip"), 0.7, {"score_format": "clip"}),
        (("iou=0.7", "score_format=squash"), 0.7, {"score_format": "squash"}),
        (("iou=null", "max_candidates=30", "canvas=192"), None, {"top": 30, "canvas": Canvas(192)}),
    ],
)
def test_rows_are_what_the_ranker_makes_of_them(
    wired: World, ranker: str, sets: tuple[str, ...], iou: float | None, options: dict[str, object]
) -> None:
    full = [f"ranked.{each}" for each in sets]
    wired.done(*full)
    given, ranked = wired.by_id("boxes"), wired.by_id("ranked", *full)
    assert list(ranked) == list(given)
    reranker = Reranker(open_ranker(ranker)[1], **options)  # type: ignore[arg-type]
    for name in ("0.png", "1.png", "2.png"):
        want, found = expected(given[name], name, reranker, iou), ranked[name]
        np.testing.assert_array_equal(found.boxes, want.boxes)
        np.testing.assert_array_equal(found.scores, want.scores)
        np.testing.assert_array_equal(found.landmarks, want.landmarks)
        assert (found.width, found.height) == (96, 64)
        assert len(found.boxes) == 30 if "top" in options else 0 < len(found.boxes) <= 80
        # Boxes are those of the dump, in another order.
        assert {each.tobytes() for each in found.boxes} <= {each.tobytes() for each in given[name].boxes[:80]}


def test_the_refined_order_decides_what_survives(wired: World) -> None:
    """Clipping makes many scores equal, nothing else does; what survives is the same however scores are written."""
    clip, squash = "ranked.score_format=clip", "ranked.score_format=squash"
    for sets in ((), (clip,), (squash,)):
        wired.done(*sets)
    exact, clipped, squashed = wired.by_id("ranked"), wired.by_id("ranked", clip), wired.by_id("ranked", squash)
    assert any((np.diff(row.scores) == 0).any() for row in clipped.values())
    assert any(row.scores.max(initial=0) > 1 for row in exact.values())
    for name, row in exact.items():
        np.testing.assert_array_equal(row.boxes, clipped[name].boxes)
        np.testing.assert_array_equal(row.scores.clip(0, 1), clipped[name].scores)
        np.testing.assert_array_equal(row.boxes, squashed[name].boxes)
        assert (np.diff(row.scores) < 0).all() and (np.diff(squashed[name].scores) < 0).all()
        assert not len(row.boxes) or 0 < squashed[name].scores.min() <= squashed[name].scores.max() < 1


def test_formats_that_there_are_not_are_named(wired: World) -> None:
    for choice, words in (
        ("score_format=cut", "nodes.ranked.score_format: .*'sum', 'squash' or 'clip', found 'cut'"),
        ("clip=true", "nodes.ranked.clip: unknown field .*score_format"),
    ):
        with pytest.raises(ValueError, match=words):
            wired.graph(f"ranked.{choice}")


def test_a_ranker_of_whole_images_sees_whole_images(wired: World, tmp_path: Path) -> None:
    """The checkpoint says how; a size that is asked for changes the size alone."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = RANKERS["crface_mobilenet"].build(**SWITCHES)
        for module in built.confidence:
            torch.nn.init.normal_(module.answer.weight)
    found = {}
    for recipe in ({"whole": True, "crop": 160}, {"whole": True, "crop": 224}, {"whole": False, "crop": 160}):
        file = tmp_path / "ranker.safetensors"
        file.write_bytes(save_bytes("crface_mobilenet", built, {"model_args": SWITCHES, "recipe": recipe}))
        for size in ("", "160", "original"):
            sets = (f"ranked.path={file}", f"ranked.canvas={size}", "ranked.iou=null")
            wired.done(*sets)
            found[recipe["whole"], recipe["crop"], size] = wired.by_id("ranked", *sets)["0.png"].scores
    assert np.array_equal(found[True, 160, ""], found[True, 224, "160"])
    assert np.array_equal(found[False, 160, ""], found[False, 160, "original"])
    different = {found[key].tobytes() for key in ((True, 160, ""), (True, 224, ""), (False, 160, "160"))}
    assert len(different) == 3


def test_fewer_boxes_on_request(wired: World) -> None:
    wired.done()
    wired.done("ranked.max_detections=3")
    for name, row in wired.by_id("ranked", "ranked.max_detections=3").items():
        np.testing.assert_array_equal(row.boxes, wired.by_id("ranked")[name].boxes[:3])


def test_errors_of_the_dump_stay_errors(wired: World) -> None:
    wired.done()
    assert wired.by_id("ranked")["broken.jpg"].error == wired.by_id("boxes")["broken.jpg"].error
    assert [key for key, _ in wired.artifact("ranked").manifest.errors] == ["broken.jpg"]


def test_an_image_that_vanished_or_changed_is_an_error_row(wired: World, photos: Path) -> None:
    wired.done(selected=frozenset({"images", "boxes"}))
    plans = wired.plan()
    stage, ctx = plans["ranked"].node.stage, context(wired.graph(), "ranked", plans, {})
    assert isinstance(stage, Rerank)
    items = stage.items(ctx)
    (photos / "1.png").unlink()
    (photos / "2.png").write_bytes(encode_png(drawn_image(7)))
    rows = {row["image_id"]: Detections.from_row(row) for row in stage.open(ctx)(items)}
    assert rows["0.png"].error is None
    assert "No such file" in str(rows["1.png"].error)
    assert "2.png has changed since it was indexed" in str(rows["2.png"].error)
    assert len(rows["1.png"].boxes) == 0
    assert rows["1.png"].width == 96


def test_an_image_that_kills_the_ranker_was_read_and_is_missed(wired: World) -> None:
    """Without its size AP would take it for an unreadable one, and leave its faces out."""
    wired.done(selected=frozenset({"images", "boxes"}))
    planned = wired.plan()["ranked"]
    assert isinstance(planned.node.stage, Rerank)
    sizes = {}
    for item in wired.items("ranked"):
        died = planned.node.stage.error_row(item, "its worker process died 3 times on it")
        sizes[item.key] = died["width"], died["height"]
    assert sizes == {"0.png": (96, 64), "1.png": (96, 64), "2.png": (96, 64), "broken.jpg": (0, 0)}


def test_a_dump_of_other_images_is_refused(wired: World, photos: Path, weights: str) -> None:
    others = wired.folder / "others"
    others.mkdir()
    (others / "0.png").write_bytes(encode_png(drawn_image(0, 48, 32)))
    wired.node("other_images", "index", dataset="image_folder", path=str(others))
    wired.nodes["ranked"]["inputs"]["samples"] = "other_images"
    outcome = wired.run()
    words = outcome.failed.get("ranked") or wired.plan()["ranked"].reason
    assert "boxes: 3 of 4 images are not in other_images: 1.png, 2.png, broken.jpg" in words


def test_a_dump_of_images_of_another_size_is_an_error_row(wired: World, photos: Path) -> None:
    larger = wired.folder / "larger"
    larger.mkdir()
    for file in photos.iterdir():
        (larger / file.name).write_bytes(file.read_bytes())
    (larger / "1.png").write_bytes(encode_png(drawn_image(1, 192, 128)))
    wired.node("larger", "index", dataset="image_folder", path=str(larger), run={"max_error_share": 0.9})
    wired.nodes["ranked"]["inputs"]["samples"] = "larger"
    wired.done()
    rows = wired.by_id("ranked")
    assert "candidates of 96 x 64 pixels, the image has 192 x 128" in str(rows["1.png"].error)
    assert rows["0.png"].error is None


def test_no_candidate_at_all_gives_an_empty_row(world: World, ranker: str) -> None:
    folder = world.folder / "photos"
    folder.mkdir()
    for seed in range(2):
        (folder / f"{seed}.png").write_bytes(encode_png(drawn_image(seed)))
    world.node("images", "index", dataset="image_folder", path=str(folder))
    world.node("boxes", "guess", inputs={"samples": "images"}, false_alarms=0)
    world.node("ranked", "rerank", inputs={"samples": "images", "candidates": "boxes"}, path=ranker)
    world.done()
    assert [(len(row.boxes), row.error) for row in world.by_id("ranked").values()] == [(0, None)] * 2


def test_weights_come_from_exactly_one_place_and_are_a_rankers(wired: World, weights: str) -> None:
    wired.nodes["ranked"].pop("path")
    with pytest.raises(ValueError, match=r"ranked: expected weights .*, found neither"):
        wired.run()
    wired.nodes["ranked"]["path"] = weights
    plan = wired.plan()["ranked"]
    assert plan.decision is Decision.BLOCKED
    assert "holds the detector retinaface_mobilenet: expected one of a ranker" in plan.reason


def test_changed_weights_and_sizes_are_other_outputs(wired: World, ranker: str) -> None:
    wired.done()
    copy = wired.folder / "copy.safetensors"
    copy.write_bytes(Path(ranker).read_bytes())
    wired.nodes["ranked"]["path"] = str(copy)
    assert wired.plan()["ranked"].decision is Decision.REUSE
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(bytes(data))
    assert "file_hashes.weights" in wired.plan()["ranked"].reason
    assert (
        len(
            {
                hash_json(Rerank(canvas=size).model_dump(mode="python"))
                for size in (None, "original", "8k", 7680, "4096")
            }
        )
        == 4
    )


def test_a_new_image_costs_its_own_row(wired: World, photos: Path) -> None:
    wired.require_own_row("ranked", lambda: (photos / "added.png").write_bytes(encode_png(drawn_image(7))))


def test_equal_work_in_other_shards_gives_equal_rows(wired: World) -> None:
    wired.done()
    rows = json.dumps(wired.rows("ranked"))
    wired.nodes["ranked"]["run"] = {"shard_rows": 10, "max_error_share": 0.9}
    wired.done(force=frozenset({"ranked"}))
    assert json.dumps(wired.rows("ranked")) == rows
