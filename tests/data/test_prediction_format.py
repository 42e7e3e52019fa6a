from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.prediction_format import ImageInfo, require_format
from tests.published_sets import published, truth_of

Rows = np.ndarray
Form = Callable[[Rows, float, float], Rows]
WIDTH, HEIGHT = 640, 480


@cache
def faces(image: int, count: int = 4) -> Rows:
    rng = np.random.default_rng(image)
    corner = rng.uniform((40, 30), (WIDTH - 100, HEIGHT - 100), (count, 2))
    return fixed(np.concatenate([corner, corner + rng.uniform(20, 80, (count, 2))], axis=1))


@cache
def found(image: int) -> Rows:
    """Rows x y w h score: the faces, a little off, and as many boxes elsewhere."""
    rng = np.random.default_rng(100 + image)
    boxes = np.concatenate([faces(image) + rng.normal(0, 1.5, (4, 4)), faces(1000 + image)])
    scores = np.sort(rng.uniform(0.02, 1, len(boxes)))[::-1]
    return fixed(np.c_[boxes[:, :2], boxes[:, 2:] - boxes[:, :2], scores])


def fixed(rows: Rows) -> Rows:
    """Returns rows that are kept for later, and so cannot be written into."""
    rows.setflags(write=False)
    return rows


def plain(rows: Rows, width: float, height: float) -> Rows:
    return rows


def corners(rows: Rows, width: float, height: float) -> Rows:
    return np.c_[rows[:, :2], rows[:, :2] + rows[:, 2:4], rows[:, 4]]


def centre(rows: Rows, width: float, height: float) -> Rows:
    return np.c_[rows[:, :2] + rows[:, 2:4] / 2, rows[:, 2:]]


def shares(form: Form) -> Form:
    return lambda rows, w, h: form(rows, w, h) / [w, h, w, h, 1]


def swapped(form: Form) -> Form:
    return lambda rows, w, h: form(rows, w, h)[:, [1, 0, 3, 2, 4]]


def score_first(form: Form) -> Form:
    return lambda rows, w, h: form(rows, w, h)[:, [4, 0, 1, 2, 3]]


def class_first(form: Form) -> Form:
    return lambda rows, w, h: np.c_[np.zeros(len(rows)), form(rows, w, h)]


def without_score(form: Form) -> Form:
    return lambda rows, w, h: form(rows, w, h)[:, :-1]


def followed(rows: Rows, width: float, height: float) -> Rows:
    return np.c_[rows, np.ones(len(rows))]


def resized(edge: float) -> Form:
    return lambda rows, w, h: rows * [*[edge / max(w, h)] * 4, 1]


def check(form: Form, images: int = 20, labelled: bool = True, sized: bool = True, expected: str = "x y w h") -> None:
    size = (WIDTH, HEIGHT) if sized else None
    rows = [
        (form(found(image), WIDTH, HEIGHT), ImageInfo(faces(image), size) if labelled else ImageInfo(size=size))
        for image in range(images)
    ]
    require_format("them", expected, rows)


FORMS: list[tuple[Form, str]] = [
    (corners, "x1 y1 x2 y2 score"),
    (centre, "cx cy w h score"),
    (swapped(plain), "y x h w score"),
    (swapped(corners), "y1 x1 y2 x2 score"),
    (shares(plain), "x y w h score, as shares"),
    (shares(corners), "x1 y1 x2 y2 score, as shares"),
    (shares(centre), "cx cy w h score, as shares"),
    (score_first(plain), "score x y w h"),
    (score_first(corners), "score x1 y1 x2 y2"),
    (class_first(plain), "class x y w h score"),
    (class_first(score_first(corners)), "class score x1 y1 x2 y2"),
    (class_first(shares(centre)), "class cx cy w h score, as shares"),
    (without_score(class_first(shares(centre))), "class cx cy w h, as shares"),
    (without_score(class_first(corners)), "class x1 y1 x2 y2"),
]


@pytest.mark.parametrize("images", [1, 20])
@pytest.mark.parametrize(("form", "words"), FORMS, ids=[words for _, words in FORMS])
def test_another_form_is_refused_and_named(form: Form, words: str, images: int) -> None:
    with pytest.raises(ValueError, match=f"^them: expected rows of x y w h score in pixels .* look like .*{words}"):
        check(form, images)


@pytest.mark.parametrize("edge", [320, 1280, 7680])
def test_boxes_of_resized_images_are_refused(edge: int) -> None:
    with pytest.raises(ValueError, match=f"look like those of images with a long side of {edge}: .* they meet [78]"):
        check(resized(edge))


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (shares(corners), "x1 y1 x2 y2 score, as shares"),
        (score_first(plain), "look like score and four numbers"),
        (class_first(plain), "look like class and four numbers of a box$"),
        (without_score(class_first(plain)), "look like class and four numbers of a box, without a score"),
        (corners, r"\d\d % of the boxes end outside their images: they look like x1 y1 x2 y2 score"),
    ],
)
def test_without_faces_what_the_numbers_say_is_enough(form: Form, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check(form, labelled=False)


def test_a_class_or_points_after_the_score_are_refused() -> None:
    for after in (np.zeros, lambda n: np.linspace(90, 400, n)):
        with pytest.raises(ValueError, match=r"6 numbers in a row, .*leave out what follows the score"):
            check(lambda rows, w, h, after=after: np.c_[rows, after(len(rows))])


def test_corners_are_what_a_dump_has() -> None:
    check(corners, expected="x1 y1 x2 y2")
    for form, words in ((plain, "x y w h score"), (centre, "cx cy w h score"), (shares(corners), "as shares")):
        with pytest.raises(ValueError, match=f"expected rows of x1 y1 x2 y2 score .*{words}"):
            check(form, expected="x1 y1 x2 y2")


def at_random(rows: Rows, width: float, height: float) -> Rows:
    rng = np.random.default_rng(len(rows) + int(rows[0, 0]))
    return np.c_[rng.uniform(0, (width, height), (500, 2)), rng.uniform(5, 120, (500, 2)), rng.uniform(0, 1, 500)]


WEAK: dict[str, Form] = {
    "good": plain,
    "one box an image": lambda rows, w, h: rows[:1],
    "boxes at random": at_random,
    "the whole image": lambda rows, w, h: np.array([[0, 0, w, h, 0.5]]),
    "its middle": lambda rows, w, h: np.array([[w / 4, h / 4, w / 2, h / 2, 0.5]]),
    "zeros for nothing found": lambda rows, w, h: np.zeros((1, 5)),
    "nothing found": lambda rows, w, h: np.zeros((0, 5)),
    "heads": lambda rows, w, h: rows * [1, 1, 2, 2, 1] - [*(20, 20), 0, 0, 0],
    "persons": lambda rows, w, h: rows * [1, 1, 3, 7, 1],
    "off by some pixels": lambda rows, w, h: rows - [9, 9, 0, 0, 0],
    "a hundredth of them": lambda rows, w, h: rows[: int(rows[0, 0]) % 3 == 0],
    "logits": lambda rows, w, h: rows * [1, 1, 1, 1, 9] - [0, 0, 0, 0, 5],
    "percent": lambda rows, w, h: rows * [1, 1, 1, 1, 100],
    "whole pixels": lambda rows, w, h: np.c_[np.trunc(rows[:, :4]), rows[:, 4]],
    "more numbers, score last": lambda rows, w, h: np.c_[rows[:, :4], rows[:, 4] / 2, rows[:, 4]],
}


@pytest.mark.parametrize("images", [1, 2, 20, 300])
@pytest.mark.parametrize("name", WEAK)
def test_a_weak_detector_is_weak_in_every_form(name: str, images: int) -> None:
    check(WEAK[name], images)
    check(WEAK[name], images, sized=False)
    check(WEAK[name], images, labelled=False)


@pytest.mark.wider
@pytest.mark.parametrize("name", ["retinaface_mobilenet025", "yolov7_face", "rfb_1mb_320"])
def test_published_sets_are_what_they_are_read_as(shared: Path, name: str) -> None:
    truth, text = truth_of(shared), published(shared, name)
    known = {image_id: ImageInfo(boxes) for image_id, boxes in zip(truth.image_ids, truth.boxes, strict=True)}
    text.require(Path(name), known)
    text.require(Path(name), {})
    numbers = []
    for image_id, (boxes, scores) in text.predictions.by_image():
        numbers.append((np.c_[boxes, scores], known[image_id]))
    with pytest.raises(ValueError, match=r"look like x1 y1 x2 y2 score: so read they meet \d{3,4} of \d{4} faces"):
        require_format(name, "x y w h", numbers)
