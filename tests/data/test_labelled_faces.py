import numpy as np
import pytest

from pipeline.data.labelled_faces import ImageFaces, faces_of
from pipeline.data.records import Detections, Sample
from tests.stages.world import World

DATA = {"kind": "synthetic", "images": 3, "width": 96, "height": 64}


def test_faces_are_those_of_the_samples(world: World) -> None:
    world.node("faces", "index", dataset=DATA, run={"shard_rows": 2})
    world.done()
    found = faces_of(world.artifact("faces"))
    for row in world.rows("faces"):
        faces = found[row["image_id"]]
        np.testing.assert_array_equal(faces.boxes, Sample.from_row(row).boxes)
        assert (faces.width, faces.height, faces.error) == (96, 64, None) and faces.boxes.dtype == np.float32


@pytest.mark.parametrize(
    ("faces", "words"),
    [
        (ImageFaces(96, 64, np.zeros((0, 4), np.float32)), None),
        (ImageFaces(0, 0, np.zeros((0, 4), np.float32), "truncated"), "truncated"),
        (ImageFaces(64, 96, np.zeros((0, 4), np.float32)), "detections of 96 x 64 pixels, faces of 64 x 96"),
    ],
)
def test_detections_of_another_image_are_refused(faces: ImageFaces, words: str | None) -> None:
    mismatch = faces.mismatch(Detections("a", 96, 64))
    assert (mismatch is None) if words is None else words in str(mismatch)
