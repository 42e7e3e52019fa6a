"""The frames of a video, one after the other, and a video written of frames. OpenCV's FFmpeg decodes and encodes."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from pipeline.data.images import Image
from pipeline.engine.file_kind import HEAD, file_kind
from pipeline.engine.worker_group import prefetch

FALLBACK_RATE: Final = 25.0
"""Frames a second of what is written of a video that does not say how many it has."""

_RATES: Final = (0.01, 1000.0)  # some files have the ticks of their clock in the place of their frames a second
_MISSING: Final = 0.02  # of the frames that a header counts: containers without a number of frames guess it
_UNEVEN: Final = 1.5  # the longest time between frames over the shortest; whole milliseconds of 60 a second make 1.07
_LONGEST_SIDE: Final = 8190  # pixels, of MPEG-4
_FRAMES_AHEAD: Final = 1
_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # that an MP4 or QuickTime file begins with
_CONVERT: Final = "convert it, e.g. ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p OUT.mp4"


class VideoError(ValueError):
    """A video that cannot be read or written; the message is one line."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: its number from 0, its time in seconds from the first one, uint8 [H, W, 3] BGR, upright."""

    number: int
    seconds: float
    image: Image


class VideoReader(AbstractContextManager["VideoReader"]):
    """An opened video.

    Attributes:
        width, height: of a frame, pixels.
        rate: frames a second as the file has it, on average; None where it has none.
        declared: number of frames that its header counts; 0 where it has none.
        read: frames passed so far, those that were left out too.
        problem: why frames at its end could not be read, in a line; None where none is known to be missing.
        note: of a whole file, why fewer frames were read than are in it; None where all were.
    """

    def __init__(self, file: Path) -> None:
        """Opens a video and decodes its first frame.

        Raises OSError: the file cannot be read; VideoError: it is no video, cut off, or of a codec that is not read.
        """
        with file.open("rb") as opened:
            head = opened.read(HEAD)
        cv2 = _opencv()
        self._capture = cv2.VideoCapture(str(file), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise VideoError(_why_closed(file, head))
        whole, first = self._capture.read()
        if not whole:
            codec = self._codec()
            self._capture.release()
            raise VideoError(f"no frame of it can be decoded ({codec}): {_CONVERT}")
        self._first: Image = first
        self.height, self.width = first.shape[:2]
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate = rate if _RATES[0] <= rate <= _RATES[1] else None
        self.declared = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.read = 0
        self.problem: str | None = None
        self.note: str | None = None
        self._whole = head[4:8] in _BOXES and _boxes(file)[1]
        self._times: list[float] = []  # of the last frame only
        self._gaps = (math.inf, 0.0)  # seconds between frames: shortest, longest

    def frames(self, every: int = 1) -> Generator[Frame, None, None]:
        """Yields every n-th frame, from the first; the next one is decoded meanwhile. Once only; close it before this.

        A frame of another size than the first ends the video: `problem` then says so.
        """
        frames = self._frames(every)
        with ThreadPoolExecutor(1, thread_name_prefix="video") as pool:
            ahead = prefetch(pool, lambda _: next(frames, None), count(), _FRAMES_AHEAD)
            for frame in takewhile(lambda each: each is not None, ahead):
                assert frame is not None
                yield frame

    @property
    def uneven(self) -> tuple[float, float] | None:
        """The shortest and the longest time between two frames read so far, seconds; None where they are even."""
        shortest, longest = self._gaps
        return (shortest, longest) if longest > _UNEVEN * shortest else None

    def _frames(self, every: int) -> Iterator[Frame]:
        image: Image | None = self._first
        del self._first
        while True:
            seconds = self._seconds()
            if self.read % every == 0:
                if image is None:
                    decoded, image = self._capture.retrieve()
                    if not decoded:
                        self.problem = f"frame {self.read} cannot be decoded: what follows is left out"
                        return
                if image.shape[:2] != (self.height, self.width):
                    size = f"{image.shape[1]} x {image.shape[0]} pixels after {self.width} x {self.height}"
                    self.problem = f"frame {self.read} is of {size}: what follows is left out"
                    return
                yield Frame(self.read, seconds, image)
            self.read += 1
            image = None
            if not self._capture.grab():
                break
        if self.read < self.declared * (1 - _MISSING) - 1:
            if self._whole:
                self.note = f"{self.read} of the {self.declared} frames in it are shown: it is trimmed, or damaged"
            else:
                self.problem = f"cut off or damaged: {self.read} of {self.declared} frames could be read"

    def _seconds(self) -> float:
        """Returns the time of the frame that was grabbed last, by the file's clock; by its rate where it has none."""
        import cv2

        milliseconds = float(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        before = self._times[0] if self._times else None
        even = self.read / (self.rate or FALLBACK_RATE)
        seconds = milliseconds / 1000 if math.isfinite(milliseconds) and milliseconds >= 0 else even
        if before is not None:
            if seconds <= before:  # a clock that goes back or rests says nothing
                seconds = before + 1 / (self.rate or FALLBACK_RATE)
            shortest, longest = self._gaps
            self._gaps = min(shortest, seconds - before), max(longest, seconds - before)
        self._times = [seconds]
        return seconds

    def _codec(self) -> str:
        import cv2

        code = int(self._capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        name = code.to_bytes(4, "little").decode("latin-1").strip("\0 ")
        return f"codec {name}" if name.isprintable() and name else "codec unknown"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file."""
        self._capture.release()


class VideoWriter(AbstractContextManager["VideoWriter"]):
    """A video of even rate, without sound: MPEG-4 in MP4; Motion JPEG in AVI where a side is odd or too long for that.

    Both encoders are part of every OpenCV wheel.

    Attributes:
        file: where it is.
        count: frames written.
    """

    def __init__(self, stem: Path, width: int, height: int, rate: float) -> None:
        """Opens the file, which is replaced where it is there.

        Args:
            stem: its path without ending.
            width: of its frames, pixels.
            height: of its frames, pixels.
            rate: frames a second.

        Raises OSError: it cannot be written; VideoError: neither encoder takes such frames.
        """
        import numpy as np

        cv2 = _opencv()
        stem.parent.mkdir(parents=True, exist_ok=True)
        self._shape, self._rate, self.count = (height, width, 3), rate, 0
        self._last = np.zeros(self._shape, np.uint8)
        for suffix, backend, code in ((".mp4", cv2.CAP_FFMPEG, "mp4v"), (".avi", cv2.CAP_OPENCV_MJPEG, "MJPG")):
            if suffix == ".mp4" and (width % 2 or height % 2 or max(width, height) > _LONGEST_SIDE):
                continue  # OpenCV would drop a row or a column without a word
            self.file = stem.with_name(stem.name + suffix)
            self.file.open("wb").close()  # an error of its own where it cannot be written
            self._writer = cv2.VideoWriter(
                str(self.file), backend, cv2.VideoWriter_fourcc(*code), rate, (width, height)
            )
            if self._writer.isOpened():
                return
            self.file.unlink()
        raise VideoError(f"no encoder of OpenCV here takes {width} x {height} pixels at {rate:g} frames a second")

    def write(self, number: int, image: Image) -> None:
        """Writes a frame as that of a number; the one before is repeated up to it.

        Raises VideoError: its size is not that of the video, or the number is written already.
        """
        if image.shape != self._shape or number < self.count:
            found = f"frame {number} of {image.shape[1]} x {image.shape[0]} pixels after {self.count} frames"
            raise VideoError(f"expected frames of {self._shape[1]} x {self._shape[0]} in order, found {found}")
        self.repeat(number)
        self._last = image
        self.repeat(number + 1)

    def repeat(self, count: int) -> None:
        """Repeats the last frame until there are so many."""
        while self.count < count:
            self._writer.write(self._last)
            self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file; raises VideoError where frames are missing in it, which OpenCV does not say."""
        self._writer.release()
        if error is not None:
            return
        if self.file.suffix == ".avi":
            _set_rate(self.file, self._rate)
        cv2 = _opencv()
        written = cv2.VideoCapture(str(self.file), cv2.CAP_FFMPEG)
        found = int(written.get(cv2.CAP_PROP_FRAME_COUNT)) if written.isOpened() else 0
        written.release()
        if found != self.count:
            raise VideoError(f"{self.file}: {found} of {self.count} frames are in it: is the disk full?")


def _set_rate(avi: Path, rate: float) -> None:
    """Writes a rate into the two headers of an AVI: OpenCV's encoder rounds it to a whole number.

    Raises VideoError: it has none, which OpenCV does not say.
    """
    with avi.open("r+b") as file:
        head = file.read(256)
        if b"avih" not in head or b"strh" not in head:
            raise VideoError(f"{avi}: its headers could not be written: is the disk full?")
        file.seek(head.index(b"avih") + 8)
        file.write(struct.pack("<I", round(1e6 / rate)))
        file.seek(head.index(b"strh") + 28)
        file.write(struct.pack("<II", 10_000, round(10_000 * rate)))


def _why_closed(file: Path, head: bytes) -> str:
    """Returns why a file could not be opened as a video."""
    if not head:
        return "the file is empty (zero bytes)"
    kind = file_kind(head)
    if head[4:8] in _BOXES:
        if b"moov" not in _boxes(file)[0]:
            size = file.stat().st_size
            return f"cut off after {size:,} bytes: the index at the end of an MP4 is missing; fetch or record it again"
    elif not kind.startswith("bytes that start with"):
        return f"expected a video, found {kind}"
    return f"OpenCV's FFmpeg cannot open it (a damaged file, or a form that it does not know): {_CONVERT}"


def _boxes(file: Path) -> tuple[set[bytes], bool]:
    """Returns the names of the whole boxes of an MP4 or QuickTime file, and whether the last one is whole too."""
    size, at, names = file.stat().st_size, 0, set[bytes]()
    with file.open("rb") as opened:
        while at + 8 <= size:
            opened.seek(at)
            head = opened.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            at += length or size - at  # 0: to the end of the file
            if 0 < length < 8 or at > size:
                return names, False
            names.add(head[4:8])
    return names, at == size


def _opencv() -> Any:
    # Both would print lines of their own beside the one that is raised. FFmpeg's level is read at its first use.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
