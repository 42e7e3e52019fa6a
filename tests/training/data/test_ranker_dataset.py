"""Labelled candidates become training images: image and boxes move alike, in every process."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.images import encode_png
from pipeline.data.labelled_candidates import LabelledCandidateReader, LabelledCandidates
from pipeline.training.augment.labelled_image import LabelledImage
from pipeline.training.augment.seeds import generator_for
from pipeline.training.data.batch import RankerExample
from pipeline.training.data.cache import SampleCache
from pipeline.training.data.ranker_dataset import RankerDataset, rank_policy
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.recipes.ranker import RankerRecipe
from tests.data.stored_labelled import drawn, stored

WIDTH, HEIGHT, SIDE, ROWS = 100, 80, 64, 30
FILL = (104.0, 117.0, 123.0)
RECIPE = RankerRecipe(crop=SIDE, num_candidates=ROWS, pairs=3, colour_jitter=False, flip_prob=0.0, seed=3)


def _marked() -> tuple[np.ndarray, LabelledCandidates]:
    """A dark image with bright squares at the boxes of two detectors, a colour for each detector."""
    image = np.full((HEIGHT, WIDTH, 3), 20, np.uint8)
    boxes = np.float32([[10, 10, 22, 22], [60, 12, 72, 24], [40, 50, 52, 62], [12, 56, 24, 68], [80, 40, 92, 52]])
    for number, (x1, y1, x2, y2) in enumerate(boxes.astype(int)):
        image[y1:y2, x1:x2] = (0, 255, 0) if number < 3 else (0, 0, 255)
    scores, overlaps = np.float32([0.9, 0.8, 0.3, 0.7, 0.6]), np.float32([0.9, 0.0, 0.7, 0.2, 0.8])
    return image, LabelledCandidates("marked", "marked.png", WIDTH, HEIGHT, (3, 2), boxes, scores, overlaps)


MARKED, MARKS = _marked()
RANKINGS = [MARKS, *(drawn(f"image {i}", (40, 25), i, WIDTH, HEIGHT) for i in range(3))]
PIXELS = {
    ranking.path: np.random.default_rng(i).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for i, ranking in enumerate(RANKINGS)
} | {MARKS.path: MARKED}
FILES = {path: encode_png(image) for path, image in PIXELS.items()}


def read(path: str) -> bytes:
    if path not in FILES:
        raise OSError(f"{path} is gone")
    return FILES[path]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> LabelledCandidateReader:
    return LabelledCandidateReader(stored(tmp_path_factory.mktemp("join"), RANKINGS[:2], RANKINGS[2:]))


def _dataset(labelled: LabelledCandidateReader, **changes: object) -> RankerDataset:
    return RankerDataset(labelled, read, replace(RECIPE, **changes), FILL)  # type: ignore[arg-type]


def _same(one: RankerExample, other: RankerExample) -> bool:
    return pickle.dumps(one) == pickle.dumps(other)


def _pixels(example: RankerExample) -> np.ndarray:
    """Boxes of the valid rows, xyxy in pixels of the image."""
    x, y, w, h = example.table[: example.valid, :4].T * SIDE
    return np.stack([x, y, x + w, y + h], axis=1)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("mirrored", [0.0, 1.0])
def test_boxes_stay_on_their_squares(labelled: LabelledCandidateReader, whole: bool, mirrored: float) -> None:
    """After crop, scale and mirror the inside of every box has its detector's colour."""
    dataset, seen, checked = _dataset(labelled, whole=whole, flip_prob=mirrored, crop_scales=(0.6, 1.0)), set(), 0
    for epoch in range(12):
        example = dataset(0, epoch, SIDE)
        scores = example.table[: example.valid, 4]
        detector = 0 if set(scores.tolist()) <= set(MARKS.scores[:3].tolist()) else 1
        seen.add(detector)
        boxes, before, overlaps = MARKS.of_detector(detector)
        colour = (0, 255, 0) if detector == 0 else (0, 0, 255)
        for (x1, y1, x2, y2), score, truth in zip(_pixels(example), scores, example.truth, strict=False):
            assert overlaps[before.tolist().index(score)] == truth
            if x2 - x1 > 5 and y2 - y1 > 5:
                inner = example.image[round(y1) + 2 : round(y2) - 2, round(x1) + 2 : round(x2) - 2]
                assert abs(inner.mean(axis=(0, 1)) - colour).max() < 25
                checked += 1
        assert not whole or example.valid == len(boxes)
    assert seen == {0, 1} and checked > 15


def test_the_whole_image_in_the_top_left_corner(labelled: LabelledCandidateReader) -> None:
    dataset = _dataset(labelled, whole=True)
    scale = SIDE / WIDTH
    for epoch in range(6):
        example = dataset(0, epoch, SIDE)
        detector = 0 if example.valid == 3 else 1
        boxes, scores, overlaps = MARKS.of_detector(detector)
        np.testing.assert_allclose(_pixels(example), boxes * scale, rtol=0.02, atol=0.05)
        np.testing.assert_array_equal(example.table[: example.valid, 4], scores)
        np.testing.assert_array_equal(example.truth[: example.valid], overlaps)
        below = round(HEIGHT * scale)
        assert (example.image[below:] == np.rint(FILL).astype(np.uint8)).all()
        assert abs(example.image[:below].astype(float).mean() - MARKED.mean()) < 6


def test_mirrored_tables(labelled: LabelledCandidateReader) -> None:
    """x becomes 1 - x - w, and nothing else changes."""
    for whole in (False, True):
        plain, turned = (_dataset(labelled, whole=whole, flip_prob=share) for share in (0.0, 1.0))
        for epoch in range(5):
            one, other = plain(1, epoch, SIDE), turned(1, epoch, SIDE)
            assert one.valid == other.valid > 3
            rows = slice(0, one.valid)
            np.testing.assert_allclose(other.table[rows, 0], 1 - one.table[rows, 0] - one.table[rows, 2], atol=1e-6)
            np.testing.assert_allclose(other.table[rows, 1:], one.table[rows, 1:], atol=1e-6)
            np.testing.assert_array_equal(other.truth, one.truth)
            np.testing.assert_array_equal(other.image, one.image[:, ::-1])


def test_a_crop_clips_drops_by_centre_and_fills_up(labelled: LabelledCandidateReader) -> None:
    """Against the view that the policy samples with the same numbers, box by box."""
    dataset, dropped = _dataset(labelled, num_candidates=200), 0
    for index in (1, 2, 3):
        for epoch in range(4):
            example, ranking = dataset(index, epoch, SIDE), RANKINGS[index]
            rng = generator_for(3, epoch, ranking.image_id)
            boxes, scores, overlaps = ranking.of_detector(int(rng.integers(2)))
            policy = rank_policy(dataset.recipe, SIDE, FILL)
            view = policy.sample(rng, WIDTH, HEIGHT, boxes[overlaps >= 0.5]).view
            wanted, truths = [], []
            for box, score, overlap in zip(view.place(boxes), scores, overlaps, strict=True):
                x1, y1, x2, y2 = box.tolist()
                if 0 < (x1 + x2) / 2 < SIDE and 0 < (y1 + y2) / 2 < SIDE:
                    left, top = max(x1, 0), max(y1, 0)
                    size = min(x2, SIDE) - left, min(y2, SIDE) - top
                    wanted.append([left / SIDE, top / SIDE, size[0] / SIDE, size[1] / SIDE, score])
                    truths.append(overlap)
            assert example.valid == len(wanted)
            dropped += len(boxes) - len(wanted)
            np.testing.assert_allclose(example.table[: example.valid], wanted, atol=1e-5)
            np.testing.assert_array_equal(example.truth[: example.valid], np.float32(truths))
            assert not example.table[example.valid :].any() and not example.truth[example.valid :].any()
            assert example.table.min() >= 0 and example.table.max() <= 1
    assert dropped > 50


def test_the_table_has_the_best_rows(labelled: LabelledCandidateReader) -> None:
    many, few = (_dataset(labelled, num_candidates=rows, whole=True) for rows in (40, 10))
    for epoch in range(4):
        one, other = many(1, epoch, SIDE), few(1, epoch, SIDE)
        assert one.valid in (25, 40) and other.valid == 10
        np.testing.assert_array_equal(other.table, one.table[:10])
        np.testing.assert_array_equal(other.truth, one.truth[:10])
        assert (np.diff(one.table[: one.valid, 4]) <= 0).all()


def test_small_overlaps_are_none_where_asked_for(labelled: LabelledCandidateReader) -> None:
    everything, some = _dataset(labelled, whole=True), _dataset(labelled, whole=True, iou_floor=0.5)
    for index in range(len(RANKINGS)):
        before, after = everything(index, 0, SIDE).truth, some(index, 0, SIDE).truth
        np.testing.assert_array_equal(after, np.where(before < 0.5, 0, before))
        assert (before != after).any()


def test_a_crop_holds_a_box_on_a_face(labelled: LabelledCandidateReader) -> None:
    dataset = _dataset(labelled, crop_scales=(0.5,))
    for epoch in range(20):
        example = dataset(0, epoch, SIDE)
        assert example.truth.max() >= 0.5


def test_every_detector_is_sampled(labelled: LabelledCandidateReader) -> None:
    dataset, sampled = _dataset(labelled, whole=True, num_candidates=50), []
    for epoch in range(40):
        sampled.append({40: 0, 25: 1}[dataset(2, epoch, SIDE).valid])
    assert 8 < sum(sampled) < 32


def test_colours_change_pixels_alone(labelled: LabelledCandidateReader) -> None:
    """Colours are sampled first, so geometry differs too; the whole image shows which is which."""
    plain, coloured = (_dataset(labelled, whole=True, colour_jitter=colours) for colours in (False, True))
    changed = [not np.array_equal(plain(1, e, SIDE).image, coloured(1, e, SIDE).image) for e in range(8)]
    assert any(changed)
    for epoch in range(8):
        example = coloured(1, epoch, SIDE)
        assert example.image.dtype == np.uint8
        np.testing.assert_allclose(example.table, plain(1, epoch, SIDE).table, atol=1e-6)


def test_an_epoch_and_a_seed_of_its_own_and_always_the_same(labelled: LabelledCandidateReader) -> None:
    dataset = _dataset(labelled, colour_jitter=True, flip_prob=0.5)
    first = [dataset(1, epoch, SIDE) for epoch in range(6)]
    assert len({example.image.tobytes() for example in first}) == 6
    twin = pickle.loads(pickle.dumps(dataset))
    twin(2, 0, SIDE)
    assert all(_same(twin(1, epoch, SIDE), first[epoch]) for epoch in (4, 1))
    other = _dataset(labelled, colour_jitter=True, flip_prob=0.5, seed=4)
    assert not any(_same(other(1, epoch, SIDE), first[epoch]) for epoch in range(6))


def test_images_are_decoded_once_as_far_as_there_is_room(labelled: LabelledCandidateReader) -> None:
    asked: list[str] = []

    def counted(path: str) -> bytes:
        asked.append(path)
        return read(path)

    room = 2 * WIDTH * HEIGHT * 3 + 5
    dataset = RankerDataset(labelled, counted, RECIPE, FILL, SampleCache(room))
    fresh = len(pickle.dumps(RankerDataset(labelled, read, RECIPE, FILL, SampleCache(room))))
    for _ in range(3):
        for index in range(4):
            dataset(index, 0, SIDE)
    assert [asked.count(ranking.path) for ranking in RANKINGS] == [1, 1, 3, 3]
    dataset.read = read
    assert len(pickle.dumps(dataset)) == fresh


def test_rows_are_read_once(labelled: LabelledCandidateReader, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, asked, get = _dataset(labelled), [], LabelledCandidateReader.__getitem__

    def counted(rows: LabelledCandidateReader, number: int) -> LabelledCandidates:
        asked.append(number)
        return get(rows, number)

    monkeypatch.setattr(LabelledCandidateReader, "__getitem__", counted)
    first = [dataset(index, 0, SIDE) for index in (0, 2)]
    again = [dataset(index, 0, SIDE) for index in (0, 2)]
    assert asked == [0, 2] and all(map(_same, first, again))


def test_colours_of_a_shrunk_image_change_where_they_are_few(labelled: LabelledCandidateReader) -> None:
    """The same colours on the whole image first, then the same view, give nearly the same image."""
    recipe = replace(RECIPE, colour_jitter=True, crop_scales=(1.0,))
    image = np.full((HEIGHT, WIDTH, 3), (50, 90, 130), np.uint8)
    for seed in range(8):
        labelled = LabelledImage.of(image, np.zeros((0, 4), np.float32))
        policy = rank_policy(recipe, SIDE, FILL)
        plan = policy.sample(np.random.default_rng(seed), WIDTH, HEIGHT, labelled.boxes)
        assert plan.distortion is not None and policy.colours == "cheapest"
        wanted = np.rint(plan.distortion.apply(image[:1, :1])).clip(0, 255)
        seen = plan.apply(labelled).image
        assert (np.abs(seen - wanted) <= 1).all()


def test_batches_of_images_and_blanks(tmp_path: Path) -> None:
    gone = replace(RANKINGS[1], image_id="gone", path="none.png")
    other = replace(RANKINGS[2], image_id="other", width=WIDTH + 1)
    empty = drawn("empty", (0, 0), path=MARKS.path, width=WIDTH, height=HEIGHT)
    labelled = LabelledCandidateReader(stored(tmp_path, [MARKS, gone, other, empty]))
    got = BatchSampler(_dataset(labelled), batch=4, seed=0, sides=(SIDE,))(0)
    assert sorted(got.errors) == ["gone: none.png is gone", "other: 100 x 80 pixels, its boxes are of 101 x 80"]
    place = {name: row for row, name in enumerate(got.image_ids)}
    for name in ("gone", "other"):
        assert not got.pixels[place[name]].any() and not got.tables[place[name]].any()
    assert [got.valid[place[name]] for name in ("gone", "other", "empty")] == [0, 0, 0]
    assert got.pixels[place["empty"]].any() and got.valid[place["marked"]] > 0
    assert (
        got.tables.shape == (4, ROWS, 5) and got.truths.shape == (4, ROWS) and got.pixels.shape[1:] == (SIDE, SIDE, 3)
    )
