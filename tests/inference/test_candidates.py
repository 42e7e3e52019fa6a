import numpy as np
import pytest

from pipeline.inference.candidates import Candidates


def test_rows_are_taken_together() -> None:
    found = Candidates(
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.array([0.9, 0.5, 0.1], np.float32),
        np.arange(30, dtype=np.float32).reshape(3, 5, 2),
    )
    part = found.take(np.array([2, 0]))
    assert len(part) == 2
    assert part.boxes[:, 0].tolist() == [8, 0]
    assert part.scores.tolist() == pytest.approx([0.1, 0.9])
    assert part.landmarks[0, 0, 0] == 20
    assert len(found.take(found.scores > 0.4)) == 2
    assert Candidates(found.boxes, found.scores).take(slice(1)).landmarks is None


@pytest.mark.parametrize(
    ("boxes", "scores", "marks"), [((2, 4), (3,), None), ((2, 5), (2,), None), ((2, 4), (2,), (1, 5, 2))]
)
def test_lengths_must_agree(boxes: tuple[int, ...], scores: tuple[int, ...], marks: tuple[int, ...] | None) -> None:
    zeros = [None if shape is None else np.zeros(shape, np.float32) for shape in (boxes, scores, marks)]
    with pytest.raises(ValueError, match="do not go together"):
        Candidates(*zeros)
