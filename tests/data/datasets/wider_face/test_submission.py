from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.submission import submission_names, write_submission
from pipeline.data.prediction_set import PredictionSet

FOUND = PredictionSet(
    ("1--Handshaking/b.jpg", "0--Parade/a.jpg"),
    np.array([0, 2, 2]),
    np.array([[1, 2, 4, 6], [0.5, 1, 2.75, 3]]),
    np.array([0.25, 0.5]),
)


def test_one_text_per_image_in_its_event(tmp_path: Path) -> None:
    names = submission_names(FOUND.image_ids, ["0--Parade/a", "1--Handshaking/b.jpg"])
    for file in ("one.zip", "two.zip"):
        write_submission(FOUND, names, tmp_path / file)
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["0--Parade/a.txt", "1--Handshaking/b.txt"]
        assert archive.read("0--Parade/a.txt") == b"a\n0\n"
        assert archive.read("1--Handshaking/b.txt") == b"b\n2\n0.5 1 2.25 2 0.5\n1 2 3 4 0.25\n"
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_folders_above_the_event_are_no_part_of_a_name() -> None:
    assert submission_names(["WIDER_test/images/0--Parade/a.jpg"], ["0--Parade/a"]) == ["0--Parade/a"]


def test_the_whole_test_split_needs_no_list() -> None:
    names = [f"{number % 61}--Event/{number}.jpg" for number in range(16_097)]
    assert len(submission_names(names)) == 16_097
    with pytest.raises(ValueError, match=r"expected the 16,097 images in 61 events of the test split, found 16,096 in"):
        submission_names(names[1:])


@pytest.mark.parametrize(
    ("names", "expected", "words"),
    [
        (["a.jpg"], None, "expected images <event>/<name>, found a without an event"),
        (["e/a.jpg", "e/a.png"], None, "expected each image once, found e/a more than once"),
        (["e/a"], ["e/a", "e/b", "e/c", "e/d", "e/e"], "expected 5 images, found e/b, e/c, e/d and 1 more missing"),
        (["e/a", "e/x"], ["e/a.jpg", "e/b"], "expected 2 images, found e/b missing, e/x unknown"),
    ],
)
def test_a_set_that_is_not_whole_is_refused(names: list[str], expected: list[str] | None, words: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        submission_names(names, expected)
    assert str(error.value) == words
