"""Synthetic faces with known boxes and landmarks: no download, for tests and for the run out of the box.

Image ``index`` of a split is a pure function of the parameters: it is drawn on demand, and nothing is on disk.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.data.datasets.dataset import Dataset, Log, Reader, no_log
from pipeline.data.datasets.entries import Entry
from pipeline.data.datasets.synthetic.appearance import Appearance, sample_appearance
from pipeline.data.datasets.synthetic.background import background, finish
from pipeline.data.datasets.synthetic.render import draw_face
from pipeline.data.datasets.synthetic.shapes import Pen
from pipeline.data.datasets.wider_face.subsets import height_levels
from pipeline.data.file_bytes import MOST_BYTES
from pipeline.data.images import encode_png
from pipeline.data.records import Float32, Sample
from pipeline.data.schemas import LEVELS
from pipeline.engine.fingerprint import hash_bytes

# Part of every content hash: bump when the same parameters give other pixels or boxes.
_DRAWING_VERSION: Final = 1
_STREAM: Final = {"train": 0, "test": 1}
_SMALLEST: Final = 8.0  # face height, pixels
_LEAST_HEIGHT: Final = {"easy": 32, "medium": 16, "hard": 8}
# Extent of a head with hair and shoulders, in units of half the face height, so that none hides another's face.
_REACH: Final = (1.5, 1.5, 1.5, 2.2)
_TRIES: Final = 24
# A process remembers so many small images, at most 13 MB: every node of a run reads them, and to draw one takes 7 ms.
_SMALL: Final = 256 * 256  # pixels
_KEPT: Final = 64


class Synthetic(Dataset):
    """Images of drawn faces, 8 px to half the image's shorter side high, on textured backgrounds.

    Faces are easy from 32 px height, medium from 16, hard from 8. The ``image_id`` is "<split>/<index>", the path the
    same with ".png"; the content hash is of the parameters and the index, so that listing the set draws nothing.
    """

    hash_is_of_bytes: ClassVar[bool] = False
    levels: ClassVar[tuple[str, ...]] = LEVELS

    images: int = Field(default=200, ge=1, le=999_999)  # number of images
    seed: int = Field(default=0, ge=0)  # other seeds give other images
    split: Literal["train", "test"] = "test"  # "train" and "test" share no image
    width: int = Field(default=256, ge=32, le=8192)  # pixels
    height: int = Field(default=256, ge=32, le=8192)  # pixels
    most_faces: int = Field(default=8, ge=1, le=64)  # greatest number of faces per image; each has at least one

    @property
    def needs_root(self) -> bool:
        """Never: the images are drawn."""
        return False

    def entries(self, root: str = "", log: Log = no_log) -> list[Entry]:
        """Returns one entry per image, as `Dataset.entries`; ``root`` is ignored."""
        return [
            Entry(self._id(index), f"{self._id(index)}.png", self._content_hash(index)) for index in range(self.images)
        ]

    def open(self, root: str = "") -> Reader:
        """Returns a reader, as `Dataset.open`; nothing is drawn."""
        return lambda entry: self._sample(self._index(entry.path))

    def image_bytes(self, root: str, sample_path: str, most: int = MOST_BYTES) -> bytes:
        """Returns the image as PNG, with the pixels of `draw`; ValueError for a path of another set."""
        index = self._index(sample_path)
        return _png(self, index) if self.width * self.height > _SMALL else _small_png(self, index)

    def draw(self, index: int) -> tuple[NDArray[np.uint8], Float32, Float32]:
        """Returns image, boxes and landmarks of one index, also beyond ``images`` (about 5 ms at 256 x 256).

        Returns:
            uint8 [height, width, 3] BGR; float32 [F, 4] xyxy pixels; float32 [F, 5, 2] pixels (eyes, nose, mouth
            corners, image left first).
        """
        placing, painting = self._random(index)
        faces = _place_faces(placing, self)
        image = background(painting, self.width, self.height)
        for face in faces:
            draw_face(image, face.head, face.centre, face.unit)
        return finish(image, painting), _boxes(faces), _landmarks(faces)

    def _sample(self, index: int) -> Sample:
        faces = _place_faces(self._random(index)[0], self)
        boxes = _boxes(faces)
        return Sample(
            image_id=self._id(index),
            path=f"{self._id(index)}.png",
            content_hash=self._content_hash(index),
            width=self.width,
            height=self.height,
            boxes=boxes,
            levels=height_levels(boxes[:, 3] - boxes[:, 1], np.zeros(len(boxes), bool), _LEAST_HEIGHT),
            landmarks=_landmarks(faces),
        )

    def _random(self, index: int) -> tuple[np.random.Generator, np.random.Generator]:
        # Two streams: boxes need no painting.
        seeds = np.random.SeedSequence([self.seed, _STREAM[self.split], index]).spawn(2)
        return np.random.default_rng(seeds[0]), np.random.default_rng(seeds[1])

    def _content_hash(self, index: int) -> str:
        fields = {**self.model_dump(exclude={"images"}), "index": index, "drawing": _DRAWING_VERSION}
        return hash_bytes(json.dumps(fields, sort_keys=True).encode())

    def _id(self, index: int) -> str:
        return f"{self.split}/{index:06d}"

    def _index(self, path: str) -> int:
        match = re.fullmatch(rf"{self.split}/(\d{{6}})\.png", path)
        if match is None or int(match[1]) >= self.images:
            last = f"{self._id(self.images - 1)}.png"
            raise ValueError(f"{path!r} is not an image of this set, whose paths end with {last}")
        return int(match[1])


def _png(spec: Synthetic, index: int) -> bytes:
    return encode_png(spec.draw(index)[0])


_small_png = lru_cache(maxsize=_KEPT)(_png)


@dataclass(frozen=True, slots=True)
class _Face:
    head: Appearance
    centre: tuple[float, float]
    unit: float

    def box(self) -> tuple[float, float, float, float]:
        half_width, half_height = (extent * self.unit for extent in self.head.half_extent)
        x, y = self.centre
        return x - half_width, y - half_height, x + half_width, y + half_height

    def reach(self) -> tuple[float, float, float, float]:
        x, y = self.centre
        left, up, right, down = (length * self.unit for length in _REACH)
        return x - left, y - up, x + right, y + down

    def landmarks(self) -> NDArray[np.float64]:
        pen = Pen(np.zeros((0, 0, 3), np.uint8), self.centre, self.unit, self.head.roll)
        return pen.to_pixels(self.head.landmarks())


def _place_faces(rng: np.random.Generator, spec: Synthetic) -> list[_Face]:
    """Returns the faces of one image, largest first; sizes are log-uniform, and heads do not hide faces."""
    largest = min(spec.width, spec.height) / 2
    count = int(rng.integers(1, spec.most_faces + 1))
    heights = np.sort(np.exp(rng.uniform(np.log(_SMALLEST), np.log(largest), count)))[::-1]
    faces: list[_Face] = []
    for height in heights:
        head = sample_appearance(rng)
        half_width, half_height = head.half_extent
        # A little more than asked, so that the box is not below the smallest height after rounding to float32.
        unit = float(height) * 1.0001 / (2 * half_height)
        for _ in range(_TRIES):
            x = rng.uniform(half_width * unit, spec.width - half_width * unit)
            y = rng.uniform(half_height * unit, spec.height - half_height * unit)
            face = _Face(head, (x, y), unit)
            if all(_apart(face, other) for other in faces):
                faces.append(face)
                break
    return faces


def _apart(first: _Face, second: _Face) -> bool:
    return not (_touch(first.reach(), second.box()) or _touch(first.box(), second.reach()))


def _touch(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def _landmarks(faces: list[_Face]) -> Float32:
    return np.array([face.landmarks() for face in faces], np.float32).reshape(-1, 5, 2)


def _boxes(faces: list[_Face]) -> Float32:
    return np.array([face.box() for face in faces], np.float32).reshape(-1, 4)
