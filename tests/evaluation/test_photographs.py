from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pipeline.data.images import resize
from pipeline.data.records import Detections, Sample
from pipeline.evaluation.hits_and_misses import match_image
from pipeline.evaluation.photographs import KINDS, GalleryItem, counted_faces, fit_jpegs, gallery_json, mark_image
from tests.evaluation.test_hits_and_misses import AGAIN, FACES, HARD, HIT, IGNORED, NOWHERE, WEAK

POOR = (60, 10, 85, 40, 0.55)  # overlaps the second face by 0.3


def _sample() -> Sample:
    return Sample("a", "a.jpg", "", 200, 200, FACES, levels={"hard": HARD})


def _found(*rows: tuple[float, ...]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections("a", 200, 200, table[:, :4], table[:, 4])


def test_every_detection_has_its_kind_and_every_face_its_score() -> None:
    marks = mark_image(_sample(), _found(HIT, AGAIN, IGNORED, NOWHERE, POOR, WEAK), 0.1, 100)
    assert [KINDS[kind] for kind in marks.kinds] == ["hit", "duplicate", "alarm", "localisation", "hit"]
    assert marks.scores == pytest.approx([0.9, 0.8, 0.6, 0.55, 0.4])  # the ignored one is left out
    assert marks.found == pytest.approx([0.9, 0.4])


@pytest.mark.parametrize("score", [0.2, 0.5, 0.58, 0.7, 0.85, 0.95])
def test_marks_cut_at_a_score_are_the_matches_at_it(score: float) -> None:
    found = _found(HIT, AGAIN, IGNORED, NOWHERE, POOR, WEAK)
    marks, matches = mark_image(_sample(), found, 0.1, 100), match_image(_sample(), found, score)
    kept = marks.scores >= score
    assert (marks.kinds[kept] == KINDS.index("hit")).sum() == len(matches.hits)
    assert (marks.kinds[kept] != KINDS.index("hit")).sum() == len(matches.false_alarms)
    assert (~(marks.found >= score)).sum() == len(matches.misses)


def test_floor_and_number_of_detections() -> None:
    found = _found(HIT, AGAIN, NOWHERE, WEAK)
    assert len(mark_image(_sample(), found, 0.5, 100).boxes) == 3
    assert len(mark_image(_sample(), found, 0.1, 2).boxes) == 2
    assert len(mark_image(_sample(), found, 0.1, 1, whole_from=0.5).boxes) == 3
    assert np.isnan(mark_image(_sample(), found, 0.95, 100).found).all()


def test_without_labels_everything_is_a_hit() -> None:
    marks = mark_image(_sample(), _found(HIT, NOWHERE), 0.1, 100, subset=None)
    assert marks.kinds.tolist() == [0, 0] and len(marks.found) == 0


def test_an_image_without_faces_has_false_alarms_only() -> None:
    empty = Sample("a", "a.jpg", "", 200, 200)
    assert [KINDS[kind] for kind in mark_image(empty, _found(HIT, WEAK), 0.1, 100).kinds] == ["alarm", "alarm"]


def test_json_has_whole_pixels_and_short_scores() -> None:
    found, matches = _found(HIT, NOWHERE), match_image(_sample(), _found(HIT, NOWHERE), 0.5)
    item = GalleryItem(matches, b"", counted_faces(_sample(), "hard"), [mark_image(_sample(), found, 0.1, 9), None])
    plain = json.loads(json.dumps(gallery_json(item), allow_nan=False))
    assert plain["faces"] == [0, 0, 9, 9, 50, 0, 69, 29]
    assert plain["runs"] == [{"boxes": [0, 0, 9, 9, 0.9, 0, 150, 150, 160, 160, 0.6, 3], "found": [0.9, None]}, None]


def test_photographs_stay_within_their_bytes() -> None:
    rng = np.random.default_rng(0)
    noise = [resize(rng.integers(0, 255, (140, 200, 3), dtype=np.uint8), 1000, 700) for _ in range(4)]
    plain = [np.full((700, 1000, 3), 90, np.uint8)] * 4
    jpegs = list(fit_jpegs([*plain, *noise], 8, 400_000))
    assert sum((len(jpeg) + 2) // 3 * 4 for jpeg in jpegs) <= 400_000
    sizes = []
    for jpeg in jpegs:
        with Image.open(BytesIO(jpeg)) as image:
            sizes.append(image.size)
    assert sizes[:4] == [(1000, 700)] * 4
    assert all(width < 1000 for width, _ in sizes[4:])
    alone = list(fit_jpegs(noise * 2, 8, 400_000))
    assert len(jpegs[4]) > len(alone[0])  # what the plain ones leave is used
