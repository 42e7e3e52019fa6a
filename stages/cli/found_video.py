"""The videos that `detect` writes of a video: boxes drawn on its frames, or the faces in them blurred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType

from pipeline.data.records import ScoredBoxes
from pipeline.data.videos import FALLBACK_RATE, Frame, VideoReader, VideoWriter
from stages.cli.found_faces import KINDS, changed, named, write_kind


class FoundVideo(AbstractContextManager["FoundVideo"]):
    """What is written of one video: of the same size and rate, and crops of the faces of each frame.

    With every n-th frame only, each is shown until the next one: every face that is seen has been searched for.
    """

    def __init__(self, video: VideoReader, targets: Mapping[str, Path]) -> None:
        """Opens the videos.

        Args:
            video: that is read.
            targets: kind of `KINDS` -> path without ending.

        Raises OSError, VideoError: one of them cannot be written.
        """
        self._targets, self._stack = targets, ExitStack()
        rate = video.rate or FALLBACK_RATE
        with self._stack:
            self._writers = {
                kind: self._stack.enter_context(VideoWriter(stem, video.width, video.height, rate))
                for kind, stem in targets.items()
                if kind != "crops"
            }
            self._stack = self._stack.pop_all()

    def add(self, frame: Frame, shown: ScoredBoxes, blurred: ScoredBoxes) -> None:
        """Writes a frame with the faces that are drawn and cropped, and those that are blurred."""
        for kind, writer in self._writers.items():
            writer.write(frame.number, changed(kind, frame.image, blurred if kind == "blur" else shown))
        if "crops" in self._targets:
            write_kind("crops", named(self._targets["crops"], f"_frame{frame.number:06d}"), frame.image, shown)

    def end(self, frames: int) -> None:
        """Shows the last frame until there are as many as were read."""
        for writer in self._writers.values():
            writer.repeat(frames)

    def lines(self) -> Sequence[str]:
        """Returns a line for each of them."""
        films = [f"{KINDS[kind]}, without sound: {writer.file}" for kind, writer in self._writers.items()]
        crops = [f"{KINDS['crops']}: in {self._targets['crops'].parent}"] if "crops" in self._targets else []
        return [*films, *crops]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the videos; raises VideoError where frames are missing in one of them."""
        self._stack.__exit__(kind, error, trace)
