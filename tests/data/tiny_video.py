"""Videos of a few frames, and what happens to files on their way."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import cv2
import numpy as np

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # as `pipeline.data.videos` does; read at the first use
WIDTH, HEIGHT, RATE = 96, 64, 12.5
STEP = 20  # of brightness from one frame to the next; encoders are off by less than half of it
CONTAINERS = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".mov": "mp4v"}


def frames_of(count: int, image: np.ndarray | None = None) -> list[np.ndarray]:
    """Returns frames whose brightness says their number, or an image that is brighter each time."""
    base = np.zeros((HEIGHT, WIDTH, 3), np.uint8) if image is None else image
    return [np.clip(base.astype(int) + STEP * number, 0, 255).astype(np.uint8) for number in range(count)]


def write_video(file: Path, frames: list[np.ndarray], rate: float = RATE) -> Path:
    """Writes a video in the container of its ending, and returns its path."""
    height, width = frames[0].shape[:2]
    code = cv2.VideoWriter_fourcc(*CONTAINERS[file.suffix])
    writer = cv2.VideoWriter(str(file), cv2.CAP_FFMPEG, code, rate, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return file


def read_video(file: Path) -> tuple[list[np.ndarray], float]:
    """Returns the frames and the rate of a video, by OpenCV alone."""
    capture = cv2.VideoCapture(str(file))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames, capture.get(cv2.CAP_PROP_FPS)


def with_a_pause(file: Path, frame: int, times: int) -> None:
    """Makes a frame of an MP4 last so many times as long, in its table of times ("stts", the only entry before)."""
    data = bytearray(file.read_bytes())
    place = data.index(b"stts") - 4
    _, _, _, entries, count, ticks = struct.unpack(">I4sIIII", data[place : place + 24])
    assert entries == 1 and 0 < frame < count - 1
    table = struct.pack(">6I", frame, ticks, 1, ticks * times, count - frame - 1, ticks)
    data[place : place + 24] = struct.pack(">I4sII", 16 + len(table), b"stts", 0, 3) + table
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):  # behind the frames, whose places stay
        at = data.index(name) - 4
        data[at : at + 4] = struct.pack(">I", struct.unpack(">I", data[at : at + 4])[0] + 16)
    file.write_bytes(data.replace(b"edts", b"free"))  # which says how much of the time is shown


def index_first(file: Path) -> None:
    """Moves the index of an MP4 in front of its frames, as in videos for the web."""
    data = file.read_bytes()
    start = data.index(b"moov") - 4
    moov, media = bytearray(data[start:]), data.index(b"mdat") - 4
    while data[media - 4 : media] == b"free":
        media -= 8
    place = moov.index(b"stco") + 8
    for entry in range(int.from_bytes(moov[place : place + 4], "big")):
        at = place + 4 + 4 * entry
        moov[at : at + 4] = (int.from_bytes(moov[at : at + 4], "big") + len(moov)).to_bytes(4, "big")
    file.write_bytes(data[:media] + moov + data[media:start])
