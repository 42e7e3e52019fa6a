"""MogFace's test-time passes in its own frame: its code holds last pixels, what is handed around here is continuous.

The published numbers and a slow writing of the code's rules speak of last pixels; boxes go in and come out in either
frame, and the answers must be the same ones.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.boxes.frame import MOGFACE, Frame
from pipeline.data.records import ScoredBoxes
from pipeline.inference.fusion import Suppression, Voting, fuse
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Predictor
from pipeline.inference.sizes import mogface_largest
from pipeline.inference.test_time import MODES, SizeFilter, detect, mogface_filtered
from pipeline.models.detectors import DETECTORS

Floats = NDArray[np.float64]
FRAMES = pytest.mark.parametrize("frame", list(Frame))


def published(boxes: NDArray[np.floating], scores: NDArray[np.floating], frame: Frame) -> tuple[ScoredBoxes, Floats]:
    """Boxes that were given by their last pixels, best first and in a frame; and their rows as they were given."""
    order = np.argsort(-scores, kind="stable")
    found = ScoredBoxes(boxes[order].astype(np.float32), scores[order].astype(np.float32), frame=Frame.INCLUSIVE)
    return found.to(frame), order


@pytest.mark.wider
@FRAMES
@pytest.mark.parametrize("case", range(3))
def test_published_suppression(shared: Path, case: int, frame: Frame) -> None:
    vectors = np.load(shared / "reference/mogface/boxes.npz")
    rows, iou = vectors[f"nms{case}_dets"], float(vectors[f"nms{case}_thresh"])
    found, order = published(rows[:, :4], rows[:, 4], frame)
    for kept in (
        detections(found, score=-1, iou=iou, max_before_nms=None, max_detections=None, convention=MOGFACE),
        fuse([found], Suppression(iou, convention=MOGFACE)),
    ):
        assert kept.frame is frame
        wanted = rows[np.sort(vectors[f"nms{case}_keep"])]
        np.testing.assert_array_equal(kept.scores, np.sort(wanted[:, 4].astype(np.float32))[::-1])
        boxes = kept.corners(Frame.INCLUSIVE)
        np.testing.assert_allclose(boxes[np.lexsort(boxes.T)], wanted[np.lexsort(wanted[:, :4].T), :4], atol=1e-4)
    assert len(order) > len(kept)


@pytest.mark.wider
@FRAMES
@pytest.mark.parametrize("case", range(3))
def test_published_voting(shared: Path, case: int, frame: Frame) -> None:
    vectors = np.load(shared / "reference/mogface/boxes.npz")
    rows, expected = vectors[f"vote{case}_in"], vectors[f"vote{case}_out"]
    found, _ = published(rows[:, :4], rows[:, 4], frame)
    voted = fuse([found], Voting(float(vectors[f"vote{case}_thresh"]), cap=750, convention=MOGFACE))
    assert voted.frame is frame
    np.testing.assert_array_equal(voted.scores, expected[:, 4].astype(np.float32))
    np.testing.assert_allclose(voted.corners(Frame.INCLUSIVE), expected[:, :4], atol=1e-3)


@pytest.mark.wider
@FRAMES
@pytest.mark.parametrize(
    ("preset", "largest", "window"), [("default", 2.6, 15), ("hard", 2.3, 10), ("maxside", 2.6, -1)]
)
def test_published_size_filters(shared: Path, preset: str, largest: float, window: float, frame: Frame) -> None:
    vectors = np.load(shared / "reference/mogface/multiscale_filters.npz")
    calls = mogface_filtered(largest, window)
    assert [scale for scale, _ in calls] == pytest.approx(vectors[f"{preset}_shrinks"].tolist())
    given = ScoredBoxes(vectors["boxes"][:, :4].astype(np.float32), np.zeros(120, np.float32), frame=Frame.INCLUSIVE)
    kept = np.stack([sizes.keeps(given.to(frame)) for _, sizes in calls])
    np.testing.assert_array_equal(kept, vectors[f"{preset}_keep"])
    assert 0 < kept.mean() < 1


@pytest.mark.wider
@FRAMES
@pytest.mark.parametrize("case", range(3))
def test_published_post_processing(shared: Path, case: int, frame: Frame) -> None:
    """From deltas to detections; nothing is moved by hand: the coder knows what the network was taught."""
    vectors = np.load(shared / "reference/mogface/boxes.npz")
    (height, width), shrink = vectors[f"post{case}_input_hw"].tolist(), float(vectors[f"post{case}_shrink"])
    iou, max_before_nms, score, keep = vectors[f"post{case}_params"].tolist()
    grid = AnchorGrid((4, 8, 16, 32, 64, 128), ((16,), (32,), (64,), (128,), (256,), (512,)))
    coder = BoxCoder(1, 1, pixel_inclusive=True)
    boxes = coder.decode(torch.from_numpy(vectors[f"post{case}_loc"]), grid.centres(height, width)).numpy() / shrink
    scores = vectors[f"post{case}_scores"]
    order = np.argsort(-scores, kind="stable")
    candidates = ScoredBoxes(boxes[order].astype(np.float32), scores[order]).to(frame)
    limits = {"max_before_nms": int(max_before_nms), "max_detections": int(keep)}
    found = detections(candidates, score=score, iou=iou, convention=MOGFACE, **limits)
    expected = vectors[f"post{case}_dets"]
    assert len(found) == len(expected)
    rows = np.concatenate([found.corners(Frame.INCLUSIVE), found.scores[:, None]], 1)
    one, other = (each[np.lexsort(each.round(2).T)] for each in (rows, expected))
    np.testing.assert_allclose(one, other, atol=2e-3)


@FRAMES
def test_an_overlap_counts_the_pixels_that_are_there(frame: Frame) -> None:
    """Two boxes of 10 x 10 pixels, five columns shared: 50 / 150. A third of a pixel more a side would be 66 / 176."""
    pair = ScoredBoxes(
        np.array([[0, 0, 9, 9], [5, 0, 14, 9]], np.float32), np.ones(2, np.float32), None, Frame.INCLUSIVE
    )
    for iou, left in ((1 / 3, 1), (0.334, 2), (0.375, 2)):
        assert len(detections(pair.to(frame), iou=iou, convention=MOGFACE)) == left


@FRAMES
def test_a_vote_counts_one_pixel_less_and_rounds_last_pixels(frame: Frame) -> None:
    """Last pixels 9 apart: 4 x 9 shared of 14 x 9. And 2.5 goes to 2 as a last pixel, 3.5 would go to 4 as an end."""
    pair = ScoredBoxes(
        np.array([[0, 0, 9, 9], [5, 0, 14, 9]], np.float32), np.ones(2, np.float32), None, Frame.INCLUSIVE
    )
    for iou, left in ((4 / 14, 1), (0.286, 2)):
        assert len(fuse([pair.to(frame)], Voting(iou, convention=MOGFACE))) == left
    half = ScoredBoxes(np.array([[0, 0, 2.5, 9]], np.float32), np.ones(1, np.float32), None, Frame.INCLUSIVE)
    voted = fuse([half.to(frame)], Voting(convention=MOGFACE))
    assert voted.corners(Frame.INCLUSIVE).tolist() == [[0, 0, 2, 9]]


@FRAMES
def test_sizes_at_the_bounds(frame: Frame) -> None:
    """Last pixels 40 and 50 apart: an area of 2,000, sides of 41 and 51."""
    box = ScoredBoxes(np.array([[0, 0, 40, 50]], np.float32), np.ones(1, np.float32), None, Frame.INCLUSIVE).to(frame)
    assert not SizeFilter(above=2000).keeps(box)[0] and SizeFilter(above=1999).keeps(box)[0]
    assert not SizeFilter("longer", above=51).keeps(box)[0] and SizeFilter("longer", above=50).keeps(box)[0]
    assert not SizeFilter("shorter", below=41).keeps(box)[0] and SizeFilter("shorter", below=42).keeps(box)[0]


@pytest.mark.parametrize(
    ("largest", "scales"),
    [
        (0.6, [0.3, 0.45, 0.25]),
        (0.75, [0.5, 0.625, 0.25]),
        (1.0, [0.5, 0.75, 0.75, 0.25]),
        (1.25, [0.5, 0.75, 1.25, 0.25, 1.25]),
        (1.5, [0.5, 0.75, 1.5, 0.25, 1.25]),
        (1.75, [0.5, 0.75, 1.75, 1.5, 0.25, 1.25, 1.75]),
        (2.0, [0.5, 0.75, 2.0, 1.5, 0.25, 1.25, 1.75]),
        (2.25, [0.5, 0.75, 2.0, 1.5, 2.25, 0.25, 1.25, 1.75, 2.25]),
    ],
)
def test_scales_at_the_borders_of_the_codes_table(largest: float, scales: list[float]) -> None:
    calls = mogface_filtered(largest, 15)
    assert [scale for scale, _ in calls] == pytest.approx(scales)
    shrunk = [(scale, sizes.above) for scale, sizes in calls if sizes.below is None]
    assert {above for _, above in shrunk} == {2000}
    assert [scale for scale, _ in shrunk] == [scales[0], *([0.75] if largest > 0.75 else []), 0.25]
    small = [sizes.below for _, sizes in calls if sizes.below is not None]
    tail = [share * 15 for scale, share in ((1.25, 2000), (1.75, 1000), (2.25, 600)) if scale <= largest]
    assert small[len(small) - len(tail) :] == tail
    assert small[: len(small) - len(tail)] == [9000, 12000, 7500][: len(small) - len(tail)]


class Slow:
    """The code's own rules, box by box on last pixels (section 10 of the notes): x1, y1, x2, y2, score."""

    @staticmethod
    def overlap(a: Floats, b: Floats, one: float) -> float:
        width, height = (max(0.0, min(a[k + 2], b[k + 2]) - max(a[k], b[k]) + one) for k in (0, 1))
        union = sum((c[2] - c[0] + one) * (c[3] - c[1] + one) for c in (a, b)) - width * height
        return width * height / union if union > 0 else 0.0

    @classmethod
    def suppressed(cls, rows: list[Floats], iou: float, keep: int) -> list[Floats]:
        kept: list[Floats] = []
        for row in rows:
            if row[4] > 0.01 and all(cls.overlap(row, better, 1.0) < iou for better in kept):
                kept.append(row)
        return [row for n, row in enumerate(kept) if n < keep or row[4] >= kept[keep - 1][4]]

    @classmethod
    def voted(cls, rows: list[Floats], iou: float) -> list[Floats]:
        rest = [np.append(row[:4].round(), row[4]) for row in rows]
        groups = []
        while rest:
            best = rest[0]
            group = [row for row in rest if row is best or cls.overlap(best, row, 0.0) >= iou]
            rest = [row for row in rest if not any(row is member for member in group)]
            weights = sum(row[4] for row in group)
            groups.append(np.append(sum(row[:4] * row[4] for row in group) / weights, best[4]))
        return groups[:750]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(3)
    detector = DETECTORS["mogface_mobilenet"].build().eval()
    with torch.no_grad():
        for conv in detector.heads.predict.kinds[1].levels:
            conv.weight.mul_(60)
            conv.bias.fill_(-2)
    return Predictor(detector, max_candidates=250)


@pytest.mark.parametrize("name", ["mogface_multi", "mogface_multi_hard"])
@pytest.mark.slow
def test_a_whole_mode_is_what_the_codes_rules_give_on_last_pixels(predictor: Predictor, name: str) -> None:
    image = np.random.default_rng(5).integers(0, 256, (96, 120, 3), dtype=np.uint8)
    hard = name.endswith("hard")
    largest, window = (2.3, 10.0) if hard else (2.6, 15.0)
    assert mogface_largest(120, 96, hard=hard) == largest
    areas = [
        (0.5, 2000, None), (0.75, 2000, None), (2, None, 600 * window), (1.5, None, 800 * window),
        (largest, None, 500 * window), (0.25, 2000, None), (1.25, None, 2000 * window), (1.75, None, 1000 * window),
        (2.25, None, 600 * window),
    ]  # fmt: skip
    passes = [(1, None, None), (1, None, None), *areas, *([(1.4, None, None)] if hard else [])]
    planned = MODES[name].passes(120, 96)
    assert [one.sizing.factor for one in planned] == [scale for scale, *_ in passes]
    rows: list[Floats] = []
    cut = 0
    for one, (_, above, below) in zip(planned, passes, strict=True):
        seen = np.ascontiguousarray(image[:, ::-1]) if one.mirrored else image
        found = predictor.candidates(seen, one.sizing)
        table = np.concatenate([found.boxes.astype(np.float64), found.scores[:, None]], 1)
        if one.mirrored:
            table[:, [0, 2]] = (np.float32(120) - found.boxes[:, [2, 0]]).astype(np.float64)
        table[:, 2:4] -= 1
        thinned = Slow.suppressed(list(table), 0.4 if hard else 0.3, 750)
        sizes = [(row[2] - row[0]) * (row[3] - row[1]) for row in thinned]
        kept = [r for r, a in zip(thinned, sizes, strict=True) if a > (above or -1) and a < (below or np.inf)]
        cut += len(thinned) - len(kept)
        rows += kept
    rows = [rows[n] for n in np.argsort([-row[4] for row in rows], kind="stable")]
    expected = np.array(Slow.voted(rows, 0.5 if hard else 0.6))
    found = detect(predictor, image, MODES[name])
    assert found.frame is Frame.CONTINUOUS and cut > 0 and len(rows) > len(expected) > 20
    np.testing.assert_array_equal(found.scores, expected[:, 4].astype(np.float32))
    np.testing.assert_allclose(found.boxes - np.array([0, 0, 1, 1]), expected[:, :4], atol=1e-3)
