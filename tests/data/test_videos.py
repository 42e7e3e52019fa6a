"""Frames with their numbers and times, videos of the same size and rate, and a line for what is damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.data.videos import VideoError, VideoReader, VideoWriter
from tests.data.tiny_video import (
    CONTAINERS,
    HEIGHT,
    RATE,
    STEP,
    WIDTH,
    frames_of,
    index_first,
    read_video,
    with_a_pause,
    write_video,
)


@pytest.mark.parametrize("ending", CONTAINERS)
@pytest.mark.parametrize("every", [1, 3, 20])
def test_frames_have_their_number_and_time(ending: str, every: int, tmp_path: Path) -> None:
    file = write_video(tmp_path / f"film{ending}", frames_of(10))
    with VideoReader(file) as video:
        assert (video.width, video.height, video.rate, video.declared) == (WIDTH, HEIGHT, RATE, 10)
        found = list(video.frames(every))
        assert (video.read, video.problem, video.uneven) == (10, None, None)
    assert [frame.number for frame in found] == list(range(0, 10, every))
    for frame in found:
        assert frame.seconds == pytest.approx(frame.number / RATE, abs=1e-3)
        assert abs(frame.image.mean() - STEP * frame.number) < STEP / 2


def test_a_frame_that_lasts_longer_is_said(tmp_path: Path) -> None:
    file = write_video(tmp_path / "film.mp4", frames_of(10))
    with_a_pause(file, 4, 5)
    with VideoReader(file) as video:
        seconds = [frame.seconds for frame in video.frames()]
        assert video.uneven == pytest.approx((1 / RATE, 5 / RATE), abs=1e-3)
    assert seconds == pytest.approx([(n + 4 * (n > 4)) / RATE for n in range(10)], abs=1e-3)


def test_an_mp4_with_its_index_in_front_that_is_cut_off(tmp_path: Path) -> None:
    file = write_video(tmp_path / "film.mp4", frames_of(10))
    index_first(file)
    with VideoReader(file) as video:
        assert len(list(video.frames())) == 10
        assert (video.problem, video.note) == (None, None)
    file.write_bytes(file.read_bytes()[:-600])
    with VideoReader(file) as video:
        count = len(list(video.frames()))
        assert 0 < count < 10
        assert video.problem == f"cut off or damaged: {count} of 10 frames could be read"


def test_a_video_that_is_trimmed_by_its_index_is_whole(tmp_path: Path) -> None:
    file = write_video(tmp_path / "film.mp4", frames_of(10))
    data = bytearray(file.read_bytes())
    place = data.index(b"elst") + 12
    data[place : place + 4] = (int.from_bytes(data[place : place + 4], "big") // 2).to_bytes(4, "big")
    file.write_bytes(data)
    with VideoReader(file) as video:
        count = len(list(video.frames()))
        assert 4 <= count <= 6
        assert video.problem is None
        assert video.note == f"{count} of the 10 frames in it are shown: it is trimmed, or damaged"


@pytest.mark.parametrize("ending", [".avi", ".mkv"])
def test_of_a_video_that_is_cut_off_the_frames_before_are_read(ending: str, tmp_path: Path) -> None:
    noise = [np.random.default_rng(n).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8) for n in range(40)]
    file = write_video(tmp_path / f"film{ending}", noise)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with VideoReader(file) as video:
        count = len(list(video.frames()))
        assert 3 < count < 38
        assert video.problem == f"cut off or damaged: {count} of 40 frames could be read"


def test_what_is_no_video_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = write_video(tmp_path / "film.mp4", frames_of(10)).read_bytes()
    avi = write_video(tmp_path / "film.avi", frames_of(10)).read_bytes()
    start, end = avi.index(b"\xff\xd8\xff"), avi.index(b"\xff\xd9") + 2  # the first frame, the only one kept whole
    avi = avi.replace(b"00dc", b"JUNK").replace(b"JUNK", b"00dc", 1)
    garbage = b"RIFF\0\1\0\0AVI " + bytes(200)
    for data, words in (
        (b"", "the file is empty"),
        (whole[: len(whole) // 2], f"cut off after {len(whole) // 2:,} bytes: the index at the end of an MP4 is missing"),
        (b"<html>not found</html>", "expected a video, found an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "found a pointer of Git LFS"),
        (garbage, "cannot open it (a damaged file, or a form that it does not know): convert it, e.g. ffmpeg -i"),
        (avi.replace(b"MJPG", b"ZZZZ"), "cannot open it (a damaged file, or a form that it does not know): convert it"),
        (avi[:start] + bytes(end - start) + avi[end:], "no frame of it can be decoded (codec MJPG): convert it, e.g. "),
    ):  # fmt: skip
        (tmp_path / "odd.mp4").write_bytes(data)
        with pytest.raises(VideoError) as caught:
            VideoReader(tmp_path / "odd.mp4")
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        VideoReader(tmp_path / "gone.mp4")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("width", "height", "ending"), [(96, 64, ".mp4"), (95, 64, ".avi"), (96, 63, ".avi"), (8192, 16, ".avi")]
)
@pytest.mark.parametrize("rate", [12.5, 29.97])
def test_what_is_written_has_its_size_rate_and_frames(
    width: int, height: int, ending: str, rate: float, tmp_path: Path
) -> None:
    frames = frames_of(5, np.zeros((height, width, 3), np.uint8))
    with VideoWriter(tmp_path / "new" / "film", width, height, rate) as writer:
        writer.write(0, frames[0])
        writer.write(3, frames[3])
        writer.repeat(7)
    assert writer.file == tmp_path / "new" / f"film{ending}"
    found, found_rate = read_video(writer.file)
    assert found_rate == pytest.approx(rate, rel=1e-6)
    assert [frame.shape for frame in found] == [(height, width, 3)] * 7
    assert np.abs([frame.mean() for frame in found] - STEP * np.array([0, 0, 0, 3, 3, 3, 3])).max() < STEP / 2


def test_mistakes_of_a_writer(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "film", WIDTH, HEIGHT, RATE) as writer:
        writer.write(0, frames_of(1)[0])
        for number, image in ((0, frames_of(1)[0]), (1, np.zeros((HEIGHT, 20, 3), np.uint8))):
            with pytest.raises(VideoError, match=r"expected frames of 96 x 64 in order, found frame"):
                writer.write(number, image)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(IsADirectoryError):
        VideoWriter(tmp_path / "folder", WIDTH, HEIGHT, RATE)


def test_frames_that_did_not_reach_the_disk_are_an_error(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "film", WIDTH, HEIGHT, RATE)
    writer.repeat(9)
    writer._writer.release()
    writer.file.write_bytes(b"")
    with pytest.raises(VideoError, match=r"film\.mp4: 0 of 9 frames are in it: is the disk full\?"):
        writer.__exit__(None, None, None)


def test_a_reader_that_is_left_early_is_closed(tmp_path: Path) -> None:
    file = write_video(tmp_path / "film.mp4", frames_of(30))
    with VideoReader(file) as video, closing(video.frames()) as frames:
        assert next(frames).number == 0
    assert not [each for each in psutil.Process().open_files() if each.path == str(file)]


@pytest.mark.slow
def test_memory_is_that_of_a_few_frames(tmp_path: Path) -> None:
    code = """if True:
        import resource, sys
        from pathlib import Path
        from pipeline.data.videos import VideoReader, VideoWriter
        peaks = []
        with VideoReader(Path(sys.argv[1])) as video, VideoWriter(Path(sys.argv[2]), 640, 360, 25) as writer:
            for frame in video.frames():
                writer.write(frame.number, frame.image)
                if frame.number in (50, 399):
                    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        print(peaks[1] - peaks[0])"""
    file = write_video(tmp_path / "film.mp4", frames_of(25, np.zeros((360, 640, 3), np.uint8)) * 16)
    command = [sys.executable, "-c", code, str(file), str(tmp_path / "out")]
    more = subprocess.run(command, env={**os.environ, "PYTHONPATH": "."}, capture_output=True, text=True, check=True)
    assert int(more.stdout) < 5  # MB; 350 frames are 242
