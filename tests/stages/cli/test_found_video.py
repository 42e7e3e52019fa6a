"""A video of the same size, rate and length, with boxes drawn or faces blurred on every frame that is shown."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.data.videos import VideoError, VideoReader
from pipeline.inference.draw import draw
from pipeline.inference.faces import blur_faces, crop_faces
from stages.cli.found_video import FoundVideo
from tests.data.tiny_video import RATE, frames_of, read_video, write_video
from tests.stages.cli.test_found_faces import FACES
from tests.stages.world import drawn_image

NONE = FACES.take(slice(0))


@pytest.mark.parametrize("every", [1, 4])
def test_each_kind(every: int, tmp_path: Path) -> None:
    file = write_video(tmp_path / "film.mp4", frames_of(10, drawn_image(3)))
    targets = {kind: tmp_path / kind / "film" for kind in ("out", "blur", "crops")}
    with VideoReader(file) as video:
        with FoundVideo(video, targets) as films:
            for frame in video.frames(every):
                films.add(frame, FACES.take(slice(1)), FACES)
            films.end(video.read)
        assert films.lines() == [
            f"drawn, without sound: {tmp_path / 'out/film.mp4'}",
            f"blurred, without sound: {tmp_path / 'blur/film.mp4'}",
            f"cropped: in {tmp_path / 'crops'}",
        ]
    read, _ = read_video(file)
    for kind in ("out", "blur"):
        found, rate = read_video(tmp_path / kind / "film.mp4")
        assert (len(found), rate) == (10, RATE)
        for number, image in enumerate(found):
            shown = read[number // every * every]
            one = FACES.take(slice(1))
            expected = draw(shown, one.boxes, one.scores, None) if kind == "out" else blur_faces(shown, FACES.boxes)
            near, far = (np.abs(image.astype(int) - other).mean() for other in (expected, shown))
            assert near < 5 and near < far - 1
    crops = sorted((tmp_path / "crops").iterdir())
    assert [each.name for each in crops] == [f"film_frame{n:06d}_face1.jpg" for n in range(0, 10, every)]
    (expected,) = crop_faces(read[0], FACES.boxes[:1])
    assert cv2.imread(str(crops[0])).shape == expected.shape


def test_what_cannot_be_written_closes_what_was_opened(tmp_path: Path) -> None:
    file = write_video(tmp_path / "film.mp4", frames_of(3))
    (tmp_path / "blur" / "film.mp4").mkdir(parents=True)
    with VideoReader(file) as video, pytest.raises(IsADirectoryError):
        FoundVideo(video, {"out": tmp_path / "out" / "film", "blur": tmp_path / "blur" / "film"})
    with VideoReader(file) as video:
        films = FoundVideo(video, {"out": tmp_path / "out" / "film"})
        films.add(next(video.frames()), NONE, NONE)
        (tmp_path / "out" / "film.mp4").unlink()
        with pytest.raises(VideoError, match="0 of 1 frames are in it"):
            films.__exit__(None, None, None)
