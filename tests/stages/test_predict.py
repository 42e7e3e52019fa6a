from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from pipeline.data.canvas import Canvas
from pipeline.data.images import encode_png
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from pipeline.engine.config import load_config
from pipeline.engine.plan import context
from pipeline.inference.predictor import Predictor
from pipeline.inference.test_time import MODES, detect
from pipeline.models.detectors import DETECTORS
from pipeline.models.weights import open_detector, save_bytes
from stages.cli.network_times import network_ms
from stages.graph import STAGES
from stages.predict import Predict
from tests.stages.photo_dump import STANDARD, boxes, wire, write_photos
from tests.stages.world import World, drawn_image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path)


def assert_partners(one: Detections, other: Detections, count: int) -> None:
    """The best `count` of one are all among the other, apart from rounding."""
    for found, among in ((one, other), (other, one)):
        distance, row = cKDTree(among.boxes).query(found.boxes[:count], p=np.inf)
        assert distance.max() < 1e-3
        np.testing.assert_allclose(found.scores[:count], among.scores[row], atol=1e-5)


def test_rows_fall_in_score_and_have_as_many_boxes_as_they_say(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.done()
    artifact = world.artifact("boxes")
    assert next(iter(artifact.tables())).schema.remove_metadata() == DETECTIONS
    rows = list(artifact.rows())
    assert len(rows) == 3
    for row in rows:
        assert row["valid"] == 100
        assert all(len(row[name]) == 100 for name in ("x1", "y1", "x2", "y2", "score"))
        assert len(row["landmarks"]) == 1000
        assert (np.diff(row["score"]) <= 0).all()
        assert row["score"][0] > row["score"][-1]
        assert (row["width"], row["height"]) == (96, 64)


def test_top_keeps_the_best(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.done()
    world.done("boxes.max_candidates=7")
    more, few = boxes(world), boxes(world, "boxes.max_candidates=7")
    for name, found in few.items():
        np.testing.assert_array_equal(found.boxes, more[name].boxes[:7])
        np.testing.assert_array_equal(found.landmarks, more[name].landmarks[:7])
    world.done("boxes.max_candidates=99999")
    # Two anchors per cell of strides 8, 16 and 32.
    assert len(boxes(world, "boxes.max_candidates=99999")["0.png"].boxes) == 2 * (12 * 8 + 6 * 4 + 3 * 2)


def test_boxes_on_a_larger_canvas_come_back_in_original_pixels(world: World, photos: Path, weights: str) -> None:
    for file in list(photos.iterdir()):
        large = cv2.resize(cv2.imread(str(file)), (192, 128), interpolation=cv2.INTER_LINEAR)
        (photos / f"large_{file.name}").write_bytes(encode_png(large))
    wire(world, photos, weights)
    world.done()
    world.done("boxes.canvas=192")
    original, doubled = boxes(world), boxes(world, "boxes.canvas=192")
    for name in ("0.png", "1.png", "2.png"):
        assert (doubled[name].width, doubled[name].height) == (96, 64)
        np.testing.assert_allclose(doubled[name].boxes * 2, original[f"large_{name}"].boxes, atol=1e-3)
        np.testing.assert_allclose(doubled[name].landmarks * 2, original[f"large_{name}"].landmarks, atol=1e-3)
        np.testing.assert_array_equal(doubled[f"large_{name}"].boxes, original[f"large_{name}"].boxes)


def test_a_memory_budget_cuts_tiles_and_gives_the_same_boxes(world: World, photos: Path, weights: str) -> None:
    for name in ("1.png", "2.png"):
        (photos / name).unlink()
    wire(world, photos, weights, canvas=1200, max_candidates=2000)
    world.done()
    budget = "boxes.memory_budget_gb=1.04"
    world.done(budget)
    stage, ctx = world.graph(budget).nodes["boxes"].stage, context(world.graph(budget), "boxes", world.plan(budget), {})
    tile = stage.predictor(ctx).tile
    assert tile is not None
    assert tile < 900
    whole, tiled = boxes(world)["0.png"], boxes(world, budget)["0.png"]
    assert_partners(whole, tiled, 1900)
    too_little = world.run("boxes.memory_budget_gb=0.5")
    assert "512 MB per worker are too few for a 1200 x 1200 canvas" in too_little.failed["boxes"]


def test_equal_work_in_other_shards_gives_equal_rows(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights, run={"shard_rows": 1})
    world.done()
    one_each = world.rows("boxes")
    world.nodes["boxes"]["run"] = {"shard_rows": 10}
    world.done(force=frozenset({"boxes"}))
    assert len(world.artifact("boxes").manifest.shards) == 1
    assert world.rows("boxes") == one_each


def test_bfloat16_is_near_and_another_output(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights, max_candidates=1)
    world.done()
    world.done("boxes.precision=bfloat16")
    exact, rough = boxes(world), boxes(world, "boxes.precision=bfloat16")
    for name, found in exact.items():
        assert rough[name].scores.dtype == np.float32
        assert 0 < abs(rough[name].scores[0] - found.scores[0]) < 0.05


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("canvas", "9k", "unknown canvas '9k': choose 8k"),
        ("detector", "yolo", "no detector is called 'yolo'"),
        ("max_candidates", 0, "greater than or equal to 1"),
        ("precision", "float16", "'float32' or 'bfloat16'"),
    ],
)
def test_mistakes_in_a_config_are_named(
    world: World, photos: Path, weights: str, field: str, value: object, words: str
) -> None:
    wire(world, photos, weights, **{field: value})
    with pytest.raises(ValueError, match=f"nodes.boxes.{field}: .*{words}"):
        load_config(world.config, STAGES)


def test_canvas_by_name_and_by_number_are_the_same_node(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights, canvas="8k")
    same = {world.identity("boxes", *sets) for sets in ((), ("boxes.canvas=7680",), ("boxes.canvas=8K",))}
    world.nodes["boxes"].pop("canvas")  # 8K is the default
    assert {world.identity("boxes")} == same
    assert world.identity("boxes", "boxes.canvas=7681") not in same


def test_a_mode_of_several_looks_gives_what_is_left_after_fusion(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights, max_candidates=30)
    world.nodes["boxes"].pop("canvas")
    world.nodes["boxes"]["mode"] = "mogface_multi"
    world.done()
    predictor = Predictor(open_detector(weights)[1], max_candidates=30)
    for name, found in boxes(world).items():
        expected = detect(predictor, cv2.imread(str(photos / name)), MODES["mogface_multi"])
        assert len(found.boxes) > 0
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)
        np.testing.assert_array_equal(found.landmarks, expected.landmarks)
    assert network_ms([world.artifact("boxes")])  # all its passes are counted as the network's


def test_whose_score_counts_is_a_choice_of_the_stage(world: World, photos: Path) -> None:
    """One set of weights, three readings: the boxes of an anchor are the same, its score is not."""
    torch.manual_seed(0)
    model_args = {"hcam": (3,), "width": 16, "backbone_width": 0.25}
    detector = DETECTORS["mogface_mobilenet"].build(**model_args).eval()
    with torch.no_grad():
        for part, bias in ((detector.heads.predict.kinds[1], -2.1972), (detector.hierarchical.classifier, -1.0)):
            for conv in part.levels:
                conv.weight.mul_(2000)
                conv.bias.fill_(bias)
    file = world.folder / "two.safetensors"
    file.write_bytes(save_bytes("mogface_mobilenet", detector, {"model_args": {**model_args, "hcam": [3]}}))
    wire(world, photos, str(file), max_candidates=10_000)
    choices = ("main", "where_masked", "product")
    for choice in choices:
        world.done(f"boxes.decides={choice}")
    found = {choice: boxes(world, f"boxes.decides={choice}")["0.png"] for choice in choices}
    for choice, row in found.items():
        detector.decide_by(choice)
        expected = Predictor(detector, max_candidates=10_000).candidates(drawn_image(0), Canvas(None))
        np.testing.assert_allclose(row.scores, expected.scores, atol=1e-6)
    assert found["main"].scores[0] > 0.1 > found["main"].scores[-1]
    assert len({row.scores.tobytes() for row in found.values()}) == 3
    world.done()
    np.testing.assert_array_equal(boxes(world)["0.png"].scores, found["where_masked"].scores)  # what it was built with
    assert (
        len({world.identity("boxes", *sets) for sets in ((), *((f"boxes.decides={each}",) for each in choices))}) == 4
    )


def test_a_detector_of_one_classifier_has_no_such_choice(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights, decides="product")
    outcome = world.run()
    assert "decides is product, but RetinaFace has one classifier only: leave it out" in outcome.failed["boxes"]


def test_what_mogfaces_rules_made_tells_their_frame() -> None:
    """Fused boxes from before these rules knew their frame are others: their identity must be another one too."""
    for mode in ("mogface_multi", "mogface_multi_hard", "mogface_multi_sides"):
        assert Predict(mode=mode).model_dump()["frame"] == "inclusive"
    for mode in ("crface_multi", "mogface_single", "retinaface_1600"):  # the latter two suppress nothing
        assert "frame" not in Predict(mode=mode).model_dump()


def test_a_mode_with_sizes_of_its_own_takes_no_canvas(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights, mode="crface_multi")
    with pytest.raises(ValueError, match="mode crface_multi has its own sizes: leave out the canvas, found original"):
        world.graph()
    wire(world, photos, weights, mode="many")
    with pytest.raises(ValueError, match=r"nodes.boxes.mode: .*no test-time mode is called 'many'"):
        world.graph()


@pytest.mark.wider
def test_the_reference_detections_of_real_images(world: World, shared: Path) -> None:
    folder = shared / "reference/retinaface"
    wire(world, folder / "images", str(shared / "data/weights" / STANDARD), max_candidates=5000)
    world.node("found", "suppress", inputs={"candidates": "boxes"}, max_detections=750)
    world.done()
    results = {name: found for name, found in world.by_id("found").items() if name.endswith(".jpg")}
    assert len(results) == 6
    for name, found in results.items():
        expected = np.load(folder / "detections" / f"std_{Path(name).stem}.npz")
        assert len(found.boxes) == len(expected["boxes"]) > 0
        np.testing.assert_allclose(found.scores, expected["scores"], atol=1e-5)
        reference = Detections(name, found.width, found.height, expected["boxes"], expected["scores"])
        assert_partners(found, reference, len(found.boxes))
        distance, row = cKDTree(expected["boxes"]).query(found.boxes)
        assert np.abs(found.landmarks - expected["landmarks"][row]).max() < 2e-3, distance.max()
