"""A face gets its sampled size, or the image is squeezed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.annotation import read_wider_annotation
from pipeline.training.augment.das import DataAnchorSampling
from pipeline.training.augment.face_scale import FaceScale
from pipeline.training.augment.labelled_image import Float32, face_scales
from pipeline.training.augment.policy import POLICIES
from pipeline.training.augment.sse import CONFIG_EDGES, SelectiveScale
from pipeline.training.augment.view import View
from pipeline.training.augment.window import _is_good
from tests.training.augment.test_sse import level_shares

NONE = np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class _Always:
    size: float

    def sample(self, rng: np.random.Generator, scale: float) -> float:
        return self.size


def _faces(rng: np.random.Generator, width: int, height: int) -> Float32:
    """One to twelve faces whose scale is log-uniform in 8..400 pixels."""
    scales = np.exp(rng.uniform(np.log(8), np.log(400), int(rng.integers(1, 13))))
    low = rng.uniform(0, 1, (len(scales), 2)) * np.maximum(np.array([width, height]) - scales[:, None], 1)
    return np.concatenate([low, low + scales[:, None]], axis=1).astype(np.float32)


@pytest.mark.parametrize("size", [16.0, 100.0, 500.0])
def test_the_face_has_the_size_and_is_in_the_window(size: float) -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([[100, 50, 140, 90], [300, 200, 330, 230]], np.float32)
    picked = set()
    for _ in range(40):
        view = FaceScale(_Always(size)).sample(rng, 640, 480, boxes, 640)
        placed = view.place(boxes)
        face = int(np.abs(face_scales(placed) - size).argmin())
        picked.add(face)
        assert view.target == size and face_scales(placed)[face] == pytest.approx(size, rel=0.02)
        assert (placed[face] > -0.01).all() and (placed[face] < 640.01).all()
        assert view.width / view.height == pytest.approx(640 / 480, rel=0.01)
    assert picked == {0, 1}


def test_the_image_never_gets_larger_than_allowed() -> None:
    boxes = np.array([[5, 5, 15, 15]], np.float32)
    view = FaceScale(_Always(600.0), max_side=900).sample(np.random.default_rng(0), 800, 600, boxes, 640)
    assert view.width * view.height <= 905**2


def test_without_faces() -> None:
    rng = np.random.default_rng(0)
    squeezed = FaceScale(_Always(50.0)).sample(rng, 640, 480, NONE, 512)
    assert (squeezed.width, squeezed.height, squeezed.x, squeezed.y, squeezed.target) == (512, 512, 0, 0, None)
    shorts = []
    for _ in range(300):
        view = FaceScale(_Always(50.0), short_side=(640, 1280)).sample(rng, 640, 480, NONE, 512)
        shorts.append(view.height)
        assert 0 <= view.x <= view.width - 512 and 0 <= view.y <= view.height - 512
    assert 640 <= min(shorts) < 680 and 1240 < max(shorts) <= 1280


def test_squeezed_where_no_window_is_good() -> None:
    boxes = np.array([[0, 0, 400, 400]], np.float32)
    view = FaceScale(_Always(2000.0)).sample(np.random.default_rng(0), 640, 480, boxes, 512)
    assert (view.width, view.height, view.target) == (512, 512, None)


def test_centred_where_no_window_is_good_and_that_is_wanted() -> None:
    long = np.array([[100, 10, 160, 470]], np.float32)
    geometry = FaceScale(_Always(640.0), max_side=None, fallback="centre")
    view = geometry.sample(np.random.default_rng(0), 640, 480, long, 640)
    placed = view.place(long)
    assert view.target == 640 and face_scales(placed)[0] == pytest.approx(640, rel=0.01)
    np.testing.assert_allclose((placed[0, :2] + placed[0, 2:]) / 2, [320, 320], atol=1)


def test_anywhere_may_miss_the_face() -> None:
    boxes = np.array([[300, 220, 320, 240]], np.float32)
    rng = np.random.default_rng(0)

    def seen(view: View) -> bool:
        placed = view.place(boxes)[0]
        return bool((placed > -0.01).all() and (placed < view.side + 0.01).all())

    literal, around = (FaceScale(_Always(40.0), window=w) for w in ("anywhere", "face"))  # type: ignore[arg-type]
    assert 5 < sum(seen(literal.sample(rng, 640, 480, boxes, 400)) for _ in range(60)) < 40
    assert all(seen(around.sample(rng, 640, 480, boxes, 400)) for _ in range(60))


@pytest.mark.wider
@pytest.mark.parametrize(
    ("key", "target"),
    [("sse_crop640", SelectiveScale(CONFIG_EDGES, variant="official")), ("das_crop640", DataAnchorSampling())],
)
def test_windows_are_accepted_as_in_the_published_statistics(
    shared: Path, key: str, target: SelectiveScale | DataAnchorSampling
) -> None:
    theirs = json.loads((shared / "reference" / "mogface" / "augmentation_stats.json").read_text())[key]
    rng = np.random.default_rng(5)
    kept, good, squeezed, images = [], [], 0, theirs["n_images"]
    for _ in range(images):
        width, height = 1024, int(rng.integers(500, 1400))
        boxes = _faces(rng, width, height)
        view = FaceScale(target).sample(rng, width, height, boxes, 640)
        squeezed += view.target is None
        placed = view.place(boxes)
        centres = (placed[:, :2] + placed[:, 2:]) / 2
        kept.append(((centres > 0) & (centres < 640)).all(axis=1).mean())
        if view.target is not None:
            good.append(bool(_is_good(np.zeros((1, 2)), placed, 640)[0]))
    # Their images and faces are not published, so only statistics that do not depend on them are compared: every image
    # with a face gets a window, and SSE, which enlarges more than DAS, keeps fewer of the other faces.
    assert squeezed / images == pytest.approx(theirs["frac_images_without_any_accepted_window"], abs=0.01)
    assert np.mean(good) == pytest.approx(theirs["mean_accepted_windows_of_50"] / 50, abs=0.01)
    assert 0.3 < np.mean(kept) < 0.95


def test_level_shares_do_not_depend_on_the_faces() -> None:
    rng = np.random.default_rng(9)
    geometry = FaceScale(SelectiveScale())
    targets = []
    for _ in range(4000):
        view = geometry.sample(rng, 1024, 768, _faces(rng, 1024, 768), 640)
        targets.append(view.target or 0.0)
    np.testing.assert_allclose(level_shares(np.array(targets)), SelectiveScale().expected_shares(), atol=0.03)


@pytest.mark.wider
@pytest.mark.slow
def test_levels_of_the_real_faces_follow_the_closed_form(shared: Path) -> None:
    """Every image of WIDER FACE's training set once, of invented sizes, which are not in the annotation."""
    file = shared / "data" / "wider_val_gt" / "wider_face_train_bbx_gt.txt"
    annotation, geometry = read_wider_annotation(file), POLICIES["sse"]()
    rng, targets, reached = np.random.default_rng(0), [], []
    for position in range(len(annotation.names)):
        x, y, w, h = annotation.faces(position)[:, :4].T
        boxes = np.stack([x, y, x + w, y + h], axis=1)[(w > 0) & (h > 0)].astype(np.float32)
        if len(boxes):
            view = geometry.sample(rng, 1024, max(700, int((y + h).max())), boxes, 640)
            assert view.target is not None
            scales = face_scales(view.place(boxes))
            targets.append(view.target)
            reached.append(scales[np.abs(scales / view.target - 1).argmin()])
    assert len(targets) == 12_876
    for scales in (targets, reached):
        np.testing.assert_allclose(level_shares(np.array(scales)), SelectiveScale().expected_shares(), atol=0.01)
