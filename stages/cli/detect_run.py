"""`detect` over its images and videos: faces found, written as they come, and what has failed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from pipeline.data.decode_ahead import decode_ahead
from pipeline.data.images import MAX_MEGAPIXELS, MOST_MEGAPIXELS, Image, ImageTooLargeError
from pipeline.data.records import ScoredBoxes
from pipeline.data.videos import VideoReader
from pipeline.inference.face_finder import FaceFinder
from stages.cli.detect_progress import DetectProgress
from stages.cli.found_faces import KINDS, FaceCsv, JsonArray, write_kind
from stages.cli.found_video import FoundVideo
from stages.cli.unfinished import Done, Unfinished, state_of

LISTED = 50  # images that have a line each; of more there is one from time to time


@dataclass(frozen=True, slots=True)
class Input:
    """A file: whether it is a video, and where its drawings, blurred copies and crops go, by kind, without ending."""

    path: Path
    stem: str
    video: bool
    targets: Mapping[str, Path]

    @property
    def key(self) -> str:
        """Returns the path by which it is known in another run."""
        return os.path.abspath(self.path)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores above which a box is written, drawn and cropped, and blurred."""

    score: float
    draw: float
    blur: float


@dataclass(slots=True)
class DetectRun:
    """What is done so far: numbers of inputs and faces, and of inputs per failed action.

    Attributes:
        finder: detector.
        name: of the detector, for the lines.
        thresholds: scores.
        log: what was done before, and is done now.
        rows, lines: the files for all boxes, None where they are not wanted.
        every: of a video, every n-th frame.
        max_megapixels: larger images are left out with a line.
        ahead: images that are decoded beside the one in work.
    """

    finder: FaceFinder
    name: str
    thresholds: Thresholds
    log: Unfinished
    rows: JsonArray | None = None
    lines: FaceCsv | None = None
    every: int = 1
    max_megapixels: float = MAX_MEGAPIXELS
    ahead: int = 1
    total: int = 0
    kind: str = "images"
    before: int = 0
    count: int = 0
    faces: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)
    progress: DetectProgress = field(default_factory=DetectProgress)

    def __call__(self, inputs: Sequence[Input]) -> None:
        """Goes through the inputs that are not done; what fails is printed and counted."""
        self.total = len(inputs)
        self.kind = "files" if any(each.video for each in inputs) else "images"
        left = [each for each in inputs if each.key not in self.log.done]
        for each in inputs:
            if done := self.log.done.get(each.key):
                self._count(done)
        self.count = self.before = self.total - len(left)
        if self.before:
            self.progress.say(f"{self.before} of {self.total} were done before: {self.log.file}")
        try:
            for video, members in groupby(left, lambda each: each.video):
                if video:
                    for each in members:
                        self._video(each)
                else:
                    self._images(list(members))
        finally:
            self.progress.clear()

    def _images(self, inputs: Sequence[Input]) -> None:
        by_path = {each.path: each for each in inputs}
        with closing(decode_ahead(by_path, self.ahead, self.max_megapixels)) as decoded:
            for each, image, found in self.finder.each(self._readable(by_path, decoded)):
                self.count += 1
                if isinstance(found, Exception):
                    self._fail(each.path, "processed", found)
                    self._show_images()
                else:
                    self._image(each, image, found)

    def _readable(self, inputs: Mapping[Path, Input], decoded: Any) -> Any:
        """Yields (input, image) of the images that could be read; the others have a line."""
        for path, image in decoded:
            if isinstance(image, Exception):
                self.count += 1
                more = isinstance(image, ImageTooLargeError) and self.max_megapixels < MOST_MEGAPIXELS
                self._fail(path, "read", image, ": --max-megapixels reads larger ones" if more else "")
            else:
                yield inputs[path], image

    def _image(self, each: Input, image: Image, found: ScoredBoxes) -> None:
        height, width = image.shape[:2]
        self._write(each.path, (width, height), found)
        shown, blurred = self._shown(found)
        best = f", best {found.scores[0]:.3f}" if len(found) else ""
        counts = (
            f"{len(shown)} faces above {self.thresholds.draw:g} ({len(found)} above {self.thresholds.score:g}{best})"
        )
        self._say(f"{each.path}: {counts} by {self.name}")
        failed = []
        for kind, target in each.targets.items():
            faces = blurred if kind == "blur" else shown
            written = self._attempt(each.path, KINDS[kind], partial(write_kind, kind, target, image, faces))
            if written is None:
                failed.append(KINDS[kind])
            else:
                self._say(f"  {KINDS[kind]}: {written}")
        self._done(each, len(shown), failed=failed)
        self._show_images()

    def _video(self, each: Input) -> None:
        """Reads a video frame by frame; what was written of it stays where it ends early."""
        self.count += 1
        state, faces, failed, action = _Frames(), 0, list[str](), "read"
        try:
            with VideoReader(each.path) as video:
                action = "written"
                with FoundVideo(video, each.targets) as films:
                    action = "processed"
                    with closing(video.frames(self.every)) as frames:
                        for frame, _, found in self.finder.each((frame, frame.image) for frame in frames):
                            if isinstance(found, Exception):
                                raise found
                            self._write(each.path, (video.width, video.height), found, (frame.number, frame.seconds))
                            shown, blurred = self._shown(found)
                            films.add(frame, shown, blurred)
                            faces, state = faces + len(shown), state.next(frame.number)
                            self._show_frames(each.path, video, state, faces)
                    films.end(video.read)
                    action = "written"
            self._conclude_video(each, video, films, state, faces)
            if video.problem:
                failed.append("read to their end")
                self._fail(each.path, failed[-1], ValueError(f"{video.problem}; those read stay"))
        except Exception as error:  # one input of many: its reader, the network and encoders have their own errors
            self._fail(each.path, action, error)
            failed.append(action)
        if state.done:
            self._done(each, faces, state.done, failed)

    def _conclude_video(self, each: Input, video: VideoReader, films: FoundVideo, state: _Frames, faces: int) -> None:
        which = f"{state.done} frames" if self.every == 1 else f"{state.done} of {video.read} frames"
        self.progress.say(f"{each.path}: {faces} faces above {self.thresholds.draw:g} in {which} by {self.name}")
        written = films.lines()
        for line in written:
            self._say(f"  {line}")
        if video.uneven:
            least, most = (1000 * seconds for seconds in video.uneven)
            rate = f"; what is written has {video.rate or 25:.6g} frames a second throughout" if written else ""
            self.progress.say(
                f"  its frames are {least:.0f} to {most:.0f} ms apart: seconds are those of each frame{rate}"
            )
        elif video.rate is None:
            self.progress.say("  it does not say how many frames it has a second: 25 are taken")
        if video.note:
            self.progress.say(f"  {video.note}")

    def _write(
        self, path: Path, size: tuple[int, int], found: ScoredBoxes, frame: tuple[int, float] | None = None
    ) -> None:
        if self.rows:
            place = {} if frame is None else {"frame": frame[0], "seconds": round(frame[1], 6)}
            marks = [] if found.landmarks is None else found.landmarks.tolist()
            row = {"image": str(path), **place, "width": size[0], "height": size[1], "boxes": found.boxes.tolist()}
            self.rows.add({**row, "scores": found.scores.tolist(), "landmarks": marks})
        if self.lines:
            self.lines.add(path, found, frame)

    def _shown(self, found: ScoredBoxes) -> tuple[ScoredBoxes, ScoredBoxes]:
        """Returns the faces that are drawn and cropped, and those that are blurred."""
        return found.take(found.scores > self.thresholds.draw), found.take(found.scores > self.thresholds.blur)

    def _done(self, each: Input, faces: int, frames: int = 0, failed: Sequence[str] = ()) -> None:
        self.faces += faces
        outputs = {"--json": self.rows, "--csv": self.lines}
        sizes = {option: output.size for option, output in outputs.items() if output is not None}
        self.log.add(Done(each.key, each.stem, *state_of(each.path), faces, frames, tuple(failed)), sizes)

    def _count(self, done: Done) -> None:
        self.faces += done.faces
        for what in done.failed:
            self.failed[what] = self.failed.get(what, 0) + 1

    def conclude(self) -> None:
        """Prints the totals of many images; raises typer.Exit(1) where something failed."""
        if self.total > LISTED:
            seconds = time.monotonic() - self.begun
            print(f"{self.faces} faces above {self.thresholds.draw:g} in {self.total} {self.kind} in {seconds:.0f} s")
        for what, failed in self.failed.items():
            print(f"{failed} of {self.total} {self.kind} could not be {what}", file=sys.stderr)
        if self.failed:
            raise typer.Exit(1)

    def _say(self, line: str) -> None:
        """Prints a line of one input, where there are few."""
        if self.total <= LISTED:
            self.progress.say(line)

    def _show_images(self) -> None:
        if self.total > 1:
            self.progress.lines = self.total > LISTED
            failed = sum(self.failed.values())
            begun = (self.begun, self.before)
            self.progress.show("detect", self.kind, self.count, self.total, begun, self.faces, failed)

    def _show_frames(self, path: Path, video: VideoReader, state: _Frames, faces: int) -> None:
        self.progress.lines = True
        self.progress.show(str(path), "frames", state.last + 1, video.declared, (state.begun, 0), faces)

    def _attempt(self, path: Path, what: str, action: Callable[[], Any]) -> Any:
        """Returns what the action gives, or None where it fails: printed and counted, and the others go on."""
        try:
            return action()
        except Exception as error:  # one image of many: encoders and disks have their own kinds of errors
            self._fail(path, what, error)
            return None

    def _fail(self, path: Path, what: str, error: Exception, advice: str = "") -> None:
        if os.environ.get("WIDER8K_DEBUG"):
            raise error
        reason = error.strerror if isinstance(error, OSError) else next(iter(str(error).splitlines()), "")
        self.progress.say(f"{path}: {reason or type(error).__name__}{advice}", error=True)
        self.failed[what] = self.failed.get(what, 0) + 1


@dataclass(frozen=True, slots=True)
class _Frames:
    """Frames of a video: how many are done, the number of the last one, and since when."""

    done: int = 0
    last: int = -1
    begun: float = field(default_factory=time.monotonic)

    def next(self, number: int) -> _Frames:
        return _Frames(self.done + 1, number, self.begun)
