"""The benchmark of labels: every form lists the images that were written."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.benchmarks.labels import list_images, synthetic_labels, write_images, write_labels
from pipeline.data.datasets.labels.forms import LABELLED


@pytest.mark.parametrize("name", LABELLED)
def test_every_form_lists_what_was_written(name: str, tmp_path: Path) -> None:
    write_labels(name, tmp_path / "set", 3)
    write_images(tmp_path / "set", 3)
    found = list_images(name, tmp_path / "set")
    assert (found.images, found.seconds > 0 < found.cpu_seconds, found.peak_mb >= found.before_mb > 0) == (
        3,
        True,
        True,
    )


def test_an_image_has_the_same_faces_each_time() -> None:
    first, second = synthetic_labels(4), synthetic_labels(4)
    assert (len(first), len(first.boxes)) == (4, 20)
    assert first.boxes.tolist() == second.boxes.tolist()
