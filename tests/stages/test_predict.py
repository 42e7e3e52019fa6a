from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from pipeline.data.canvas import Canvas
from pipeline.data.images import encode_png
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from pipeline.engine.config import load_config
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.plan import Decision, context
from pipeline.engine.stage import Item, StageContext
from pipeline.inference.predictor import PendingBatch, Predictor, Sizing
from pipeline.inference.test_time import MODES, detect
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from pipeline.models.weights import open_detector, save_bytes
from stages.graph import STAGES
from stages.predict import Predict
from tests.stages.odd_images import broken_files, odd_files
from tests.stages.world import World, drawn_image

STANDARD = "retinaface_mobilenet0.25_Final.pth"
ONE_MEGABYTE = "facedetector1mb_mobilenet0.25_Final.pth"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.png").write_bytes(encode_png(drawn_image(seed)))
    return folder


def wire(world: World, photos: Path | str, weights: str, **fields: object) -> None:
    world.node("images", "index", dataset="image_folder", path=str(photos), run={"max_error_share": 0.9})
    world.node(
        "boxes",
        "predict",
        **{"inputs": {"samples": "images"}, "path": weights, "canvas": "original", "max_candidates": 100, **fields},
    )


def boxes(world: World, *sets: str) -> dict[str, Detections]:
    return world.by_id("boxes", *sets)


def assert_partners(one: Detections, other: Detections, count: int) -> None:
    """The best `count` of one are all among the other, apart from rounding."""
    for found, among in ((one, other), (other, one)):
        distance, row = cKDTree(among.boxes).query(found.boxes[:count], p=np.inf)
        assert distance.max() < 1e-3
        np.testing.assert_allclose(found.scores[:count], among.scores[row], atol=1e-5)


def test_odd_images_are_seen_as_they_show_and_broken_ones_become_error_rows(
    world: World, photos: Path, weights: str
) -> None:
    odd, broken = odd_files(photos), broken_files(photos)
    wire(world, photos, weights, run={"max_error_share": 0.3, "shard_rows": 4})
    world.done()
    found = boxes(world)
    assert set(found) == {path.name for path in photos.iterdir()}
    for name, plain in odd.items():
        assert found[name].error is None
        assert (found[name].width, found[name].height) == (found[plain].width, found[plain].height)
        np.testing.assert_array_equal(found[name].boxes, found[plain].boxes, err_msg=name)
        np.testing.assert_array_equal(found[name].scores, found[plain].scores, err_msg=name)
    assert (found["turned.png"].width, found["turned.png"].height) == (64, 96)
    assert not np.array_equal(found["grey.png"].scores, found["deep.png"].scores)
    for name, words in broken.items():
        assert words in str(found[name].error)
        assert len(found[name].boxes) == found[name].width == 0
    errors = dict(world.artifact("boxes").manifest.errors)
    assert errors.keys() == broken.keys()


def test_too_many_broken_images_fail_the_node_and_lose_nothing(world: World, photos: Path, weights: str) -> None:
    broken_files(photos)
    wire(world, photos, weights, run={"max_error_share": 0.4})
    world.node("found", "suppress", inputs={"candidates": "boxes"}, run={"max_error_share": 0.5})
    outcome = world.run()
    assert outcome.blocked == ["found"]
    assert "3 of 6 rows are errors (50.0%), allowed are 40.0%" in outcome.failed["boxes"]
    world.nodes["boxes"]["run"] = {"max_error_share": 0.5}
    world.done()
    assert world.computed("boxes") == 0


def test_a_file_that_vanished_after_planning_is_an_error_row(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.done()
    plans = world.plan()
    ctx = context(world.graph(), "boxes", plans, {})
    work = plans["boxes"].node.stage.open(ctx)
    (photos / "1.png").unlink()
    rows = [Detections.from_row(row) for row in work(plans["boxes"].items)]
    assert [row.image_id for row in rows] == ["0.png", "1.png", "2.png"]
    assert [row.error is None for row in rows] == [True, False, True]
    assert "No such file" in str(rows[1].error)


def worker(world: World, file_hashes: Mapping[str, str] | None = None) -> Callable[[], list[Detections]]:
    """What opens the stage of node "boxes" and computes all its rows, planned now."""
    plans = world.plan()
    ctx = context(world.graph(), "boxes", plans, file_hashes or {})
    stage, items = plans["boxes"].node.stage, plans["boxes"].items
    assert isinstance(stage, Predict)
    assert items
    return lambda: [Detections.from_row(row) for row in stage.open(ctx)(items)]


def test_an_image_that_changed_after_it_was_indexed_is_an_error_row(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.done()
    compute = worker(world)
    (photos / "1.png").write_bytes(encode_png(drawn_image(8)))
    rows = compute()
    assert [row.error for row in rows] == [None, "ValueError: 1.png has changed since it was indexed; run again", None]
    world.done()  # indexes it again
    assert [row.error for row in worker(world)()] == [None] * 3


def test_an_image_that_could_not_be_read_by_the_index_waits_for_the_next(
    world: World, photos: Path, weights: str
) -> None:
    wire(world, photos, weights)
    world.done()
    stage, ctx = world.graph().nodes["boxes"].stage, context(world.graph(), "boxes", world.plan(), {})
    assert isinstance(stage, Predict)
    (row,) = stage.open(ctx)([Item("1.png", "", {"path": "1.png"})])
    assert "could not be read when it was indexed; run again with --retry-errors" in row["error"]


def test_trouble_of_the_machine_is_no_row(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.done()
    compute = worker(world)
    (photos / "1.png").unlink()
    (photos / "1.png").symlink_to("1.png")  # a loop: an OSError that is none of a single image's
    with pytest.raises(OSError, match="symbolic links"):
        compute()


def test_a_plan_reads_the_weights_once(
    world: World, photos: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, read = hashlib.file_digest, list[str]()
    monkeypatch.setattr(hashlib, "file_digest", lambda file, name: read.append(file.name) or plain(file, name))
    wire(world, photos, weights)
    world.plan()
    assert read == [weights]


def test_weights_must_be_those_that_were_planned(world: World, photos: Path, weights: str) -> None:
    copy = world.folder / "copy.safetensors"
    copy.write_bytes(Path(weights).read_bytes())
    wire(world, photos, str(copy))
    world.done()
    planned = world.graph().nodes["boxes"].stage.file_hashes(str(copy))
    assert len(worker(world, planned)()) == 3
    compute = worker(world, planned)
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"weights at .*copy\.safetensors on \S+ are not those that were planned"):
        compute()


class Clumsy(Predictor):
    """Asks for a petabyte, or multiplies what does not fit, where an image is 5 or 6 pixels high."""

    def launch(self, images_bgr: Sequence[np.ndarray], canvas: Sizing, *, tile: int | None = None) -> PendingBatch:
        for image in images_bgr:
            if image.shape[0] == 5:
                torch.empty(2**50, dtype=torch.uint8)
            if image.shape[0] == 6:
                torch.ones(2, 3) @ torch.ones(2, 3)
        return super().launch(images_bgr, canvas, tile=tile)


class PredictClumsily(Predict):
    def predictor(self, ctx: StageContext) -> Predictor:
        return Clumsy(super().predictor(ctx).detector, max_candidates=self.max_candidates)


def test_only_a_lack_of_memory_is_an_images_own_trouble(world: World, photos: Path, weights: str) -> None:
    (photos / "1.png").write_bytes(encode_png(drawn_image(1)[:5]))
    wire(world, photos, weights)
    world.done()
    plans = world.plan()
    items, ctx = plans["boxes"].items, context(world.graph(), "boxes", plans, {})
    stage = PredictClumsily(canvas="original", max_candidates=100)
    assert items
    rows = [Detections.from_row(row) for row in stage.open(ctx)(items)]
    assert [row.error is None for row in rows] == [True, False, True]
    assert "can't allocate memory" in str(rows[1].error)
    assert (rows[1].width, rows[1].height) == (96, 5)
    data = encode_png(drawn_image(1)[:6])
    (photos / "1.png").write_bytes(data)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        list(stage.open(ctx)([Item("1.png", hash_bytes(data), {"path": "1.png"})]))


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


def test_weights_that_are_not_whole_stop_a_run_before_it_begins(world: World, photos: Path, weights: str) -> None:
    cut = world.folder / "cut.safetensors"
    cut.write_bytes(Path(weights).read_bytes()[:-1])
    wire(world, photos, str(cut))
    with pytest.raises(
        ValueError, match=rf"boxes: {cut}: expected a checkpoint of [\d,]+ bytes, found [\d,]+: cut off"
    ) as error:
        world.run()
    assert str(error.value).count(str(cut)) == 1
    assert world.store.folders() == []
    # What only a reader of its tensors can see is named too.
    sink = io.BytesIO()
    torch.save({"a": 1}, sink)
    cut.write_bytes(sink.getvalue())
    (message,) = world.run("boxes.detector=retinaface_mobilenet").failed.values()
    assert f"{cut}: a checkpoint must map names to tensors, this one holds 'a', which is int" in message


def test_weights_come_from_exactly_one_place(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.nodes["boxes"].pop("path")
    with pytest.raises(ValueError, match=r"boxes: expected weights .*, found neither"):
        world.run()
    world.node("drawings", "index", dataset={"kind": "synthetic", "images": 2})
    world.node("trained", "train_detector", inputs={"samples": "drawings"})
    world.nodes["boxes"].update(path=weights, inputs={"samples": "images", "checkpoint": "trained"})
    with pytest.raises(ValueError, match=r"boxes: expected weights .*, found both"):
        world.run()
    assert world.store.folders() == []


def test_a_plan_names_weights_that_are_missing_or_of_another_detector(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights, detector="retinaface_resnet50")
    plan = world.plan()["boxes"]
    assert plan.decision is Decision.BLOCKED
    assert plan.invalid
    assert "checkpoint is retinaface_mobilenet (by the name stored in it), not retinaface_resnet50" in plan.reason
    wire(world, photos, str(world.folder / "gone.pth"))
    assert "gone.pth" in world.plan()["boxes"].reason
    unknown = world.folder / "unknown.pth"
    unknown.write_bytes(b"unknown")
    wire(world, photos, str(unknown))
    reason = world.plan()["boxes"].reason
    assert "say which detector it belongs to, one of " in reason
    assert "retinaface_mobilenet, " in reason


def test_changed_weights_are_another_output(world: World, photos: Path, weights: str) -> None:
    copy = world.folder / "copy.safetensors"
    copy.write_bytes(Path(weights).read_bytes())
    wire(world, photos, weights)
    world.done()
    world.nodes["boxes"]["path"] = str(copy)
    assert world.plan()["boxes"].decision is Decision.REUSE
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(bytes(data))
    changed = world.plan()["boxes"]
    assert changed.decision is Decision.RUN
    assert "file_hashes.weights" in changed.reason


def sick(world: World, weights: str, change: Callable[[Detector], None]) -> str:
    _, detector = open_detector(weights)
    with torch.no_grad():
        change(detector)
    file = world.folder / "sick.safetensors"
    file.write_bytes(save_bytes("retinaface_mobilenet", detector))
    return str(file)


def test_an_image_the_network_cannot_answer_is_an_error_row(world: World, photos: Path, weights: str) -> None:
    def overflow_unless_black(detector: Detector) -> None:
        """One channel of the finest level, multiplied so that only what a black image never gives is infinite."""
        seen: list[Tensor] = []
        detector.eval().context[0].register_forward_hook(lambda *passed: seen.append(passed[2].amax((0, 2, 3))))
        for image in (np.zeros((256, 256, 3), np.uint8), *(drawn_image(each) for each in range(3))):
            detector(detector.normalisation(torch.from_numpy(image)).permute(2, 0, 1)[None])
        black, least = seen[0], torch.stack(seen[1:]).amin(0)
        channel = int((least / (black + 1e-3)).argmax())
        assert least[channel] > 1.2 * black[channel]
        conv = detector.heads.kinds[1].levels[0]
        conv.weight[:, channel] = 3.4e38 / float((least[channel] * (black[channel] + 1e-3)).sqrt())

    wire(world, photos, sick(world, weights, overflow_unless_black), run={"max_error_share": 1})
    world.done()
    for found in boxes(world).values():
        assert "the network answered with NaN or infinity in its logits" in str(found.error)
        assert (found.width, found.height, len(found.boxes)) == (96, 64, 0)


def test_a_network_that_answers_nothing_stops_its_node_at_once(world: World, photos: Path, weights: str) -> None:
    def spoil(detector: Detector) -> None:
        detector.heads.kinds[1].levels[0].bias.fill_(torch.nan)

    wire(world, photos, sick(world, weights, spoil), run={"max_error_share": 1})
    failed = world.run().failed
    assert "the network answered with NaN or infinity in its logits" in failed["boxes"]


def test_new_pixels_under_an_old_name_are_seen(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.done()
    before = boxes(world)
    (photos / "1.png").write_bytes(encode_png(drawn_image(8)))
    world.done()
    assert world.computed("boxes") == 1
    after = boxes(world)
    assert [np.array_equal(after[name].boxes, before[name].boxes) for name in before] == [True, False, True]


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
    assert (
        "decides is product, but retinaface_mobilenet has one classifier only: leave it out" in outcome.failed["boxes"]
    )


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
def test_the_other_published_variant_is_refused_at_plan_time(world: World, shared: Path, photos: Path) -> None:
    for file, own, other in (
        (STANDARD, "retinaface_mobilenet", "retinaface_mobilenet_mb1"),
        (ONE_MEGABYTE, "retinaface_mobilenet_mb1", "retinaface_mobilenet"),
    ):
        wire(world, photos, str(shared / "data/weights" / file), detector=other)
        with pytest.raises(ValueError, match=f"checkpoint is {own} .*, not {other}"):
            world.run()


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
