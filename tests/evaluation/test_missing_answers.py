from __future__ import annotations

import numpy as np

from pipeline.data.records import Sample
from pipeline.evaluation.missing_answers import MissingAnswers, notes_of

SAMPLES = [
    Sample("a", "a.jpg", "0", 20, 10),
    Sample("b", "b.jpg", "1", 0, 0, np.array([[1, 2, 3, 4]], np.float32), error="plain text"),
    Sample("c", "c.jpg", "2", 20, 10),
    Sample("d", "d.jpg", "3", 20, 10),
]


def test_an_image_is_unreadable_by_the_index_or_where_the_detector_saw_no_pixels() -> None:
    rows = [{"image_id": "c", "width": 0, "height": 0}, {"image_id": "d", "width": 20, "height": 10}]
    found = MissingAnswers.of(SAMPLES, rows)
    assert (found.unreadable, found.failed) == ({"b", "c"}, {"d"})
    # What the index could not read is unreadable whatever a detector says of it.
    assert MissingAnswers.of(SAMPLES, [{"image_id": "b", "width": 20, "height": 10}]).failed == frozenset()


def test_a_protocol_tells_what_there_is() -> None:
    found = MissingAnswers(frozenset("bc"), frozenset("d"))
    assert found.counts(found.unreadable) == {"images_left_out": 2, "images_failed": 1}
    assert found.counts(()) == {"images_unreadable": 2, "images_failed": 1}
    assert MissingAnswers(frozenset(), frozenset()).counts(()) == {}
    assert notes_of({"iou": 0.5}, "x") == []
    assert notes_of(found.counts(found.unreadable), "--so") == [
        "2 images that cannot be read are left out of AP (--so counts their faces as missed)",
        "1 images that were read have no answer, their faces count as missed",
    ]
