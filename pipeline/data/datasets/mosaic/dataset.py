"""Large canvases composed of the images of another dataset, with faces from tiny to as high as the canvas.

CRFace is tested on 8K photographs that are not public. A mosaic replaces them: real images enlarged or reduced so that
face heights cover nine octaves, every box known. A canvas is a pure function of its parameters and sources: it is
composed on demand, and never stored.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Final, Self

import numpy as np
from pydantic import Field, field_serializer, field_validator, model_validator

from pipeline.data.datasets.dataset import Dataset, Log, Reader, no_log
from pipeline.data.datasets.entries import Entry
from pipeline.data.datasets.mosaic.cells import Cell, HeightDistribution
from pipeline.data.datasets.mosaic.patch import Patch, paste, patch_for, with_faces
from pipeline.data.datasets.wider_face.dataset import WiderFace
from pipeline.data.file_bytes import MOST_BYTES
from pipeline.data.file_path import read_ahead
from pipeline.data.images import Image, decode, encode_jpeg
from pipeline.data.records import Sample
from pipeline.data.schemas import LEVELS
from pipeline.engine.fingerprint import hash_bytes

# Part of every content hash: bump when the same parameters give other pixels or boxes.
_VERSION: Final = 1
_AHEAD: Final = 2**26  # bytes of sources that are fetched ahead of a store
_BACKGROUND: Final = (104, 117, 123)  # BGR, between the patches


class Mosaic(Dataset):
    """Canvases of 7680 x 4320 pixels by default, each cut into cells with a piece of an image of `of` in every one.

    A cell is for one face of a given height; of a few images sampled for it, the face nearest in size is taken and the
    image scaled to match. Other faces of the patch come with it, none is cut in two. So the target heights follow the
    distribution of `tilt` exactly, and other faces beside them are additional. Faces count by their height on the
    canvas: easy from 50 px, medium from 30, hard from 9; one that its source ignores counts nowhere. The ``image_id``
    is "mosaic/<index>", the path its index and sources as JSON. A source of other bytes gives a new canvas only after a
    new index.

    Composing an 8K canvas takes 125 MB (measured: itself, one source and the JPEG), and a second.
    """

    hash_is_of_bytes: ClassVar[bool] = False
    levels: ClassVar[tuple[str, ...]] = LEVELS

    of: Dataset = WiderFace()  # dataset of the images, with faces, at the same `path`
    images: int = Field(default=20, ge=1, le=999_999)  # number of canvases
    seed: int = Field(default=0, ge=0)  # other seeds give other canvases
    width: int = Field(default=7680, ge=64, le=16384)  # pixels
    height: int = Field(default=4320, ge=64, le=16384)  # pixels
    smallest: float = Field(default=9.0, ge=1)  # least target height of a face, pixels
    largest: float = Field(default=4100.0, ge=2)  # greatest one, at most the height of the canvas
    tilt: float = Field(default=0.0, ge=0, le=4)  # 0 for equally many faces in every octave, 1: doubling downwards
    finest: int = Field(default=256, ge=16)  # least height of a cell, pixels
    choices: int = Field(default=3, ge=1, le=16)  # images sampled for every cell
    quality: int = Field(default=95, ge=50, le=100)  # of the JPEG that `image_bytes` gives

    @field_validator("of", mode="before")
    @classmethod
    def _source(cls, value: object) -> Dataset:
        from pipeline.data.datasets.config_field import parse_dataset  # which imports the table that this one is in

        source = parse_dataset(value)
        if isinstance(source, Mosaic) or not source.levels:
            raise ValueError("a mosaic is made of images with labelled faces, and not of mosaics")
        return source

    @field_serializer("of")
    def _source_fields(self, of: Dataset) -> dict[str, Any]:
        from pipeline.data.datasets.config_field import dataset_fields

        return dataset_fields(of)

    @model_validator(mode="after")
    def _heights(self) -> Self:
        if not self.smallest < self.largest <= self.height:
            raise ValueError(
                f"expected smallest below largest, and that at most the canvas's {self.height} pixels of height, "
                f"found {self.smallest:g} and {self.largest:g}"
            )
        return self

    @property
    def needs_root(self) -> bool:
        """Whether a folder has to be given: where the sources need one."""
        return self.of.needs_root

    def entries(self, root: str, log: Log = no_log) -> Sequence[Entry]:
        """Returns one entry per canvas, as `Dataset.entries`; only the sources are listed, none is opened."""
        pool = self.of.entries(root, log)
        return [self._entry(index, pool) for index in range(self.images)]

    def open(self, root: str) -> Reader:
        """Returns a reader, as `Dataset.open`, of the headers and labels of the sources; nothing is composed."""
        read = self.of.open(root)
        return lambda entry: self._sample(*self._sources(root, entry.path, read))

    def image_bytes(self, root: str, sample_path: str, most: int = MOST_BYTES) -> bytes:
        """Returns the canvas as JPEG (8K: about a second).

        Raises OSError: a source is gone; ValueError: ``sample_path`` is none of this set's, or a source has another
        size than when it was indexed.
        """
        return encode_jpeg(self.compose(root, sample_path), self.quality)

    def compose(self, root: str, sample_path: str) -> Image:
        """Returns the canvas, uint8 [height, width, 3] BGR; raises as `image_bytes`."""
        index, sources = self._sources(root, sample_path, _opened(self.of, root))
        for source in sources:
            if source.error:  # a broken image gives nothing to any canvas; one that is gone would change this one
                self.of.image_bytes(root, source.path)
        canvas: Image = np.empty((self.height, self.width, 3), np.uint8)
        canvas[:] = _BACKGROUND
        patches = self._patches(index, sources)
        files = read_ahead(
            root, lambda patch: self.of.image_bytes(root, patch.source.path), patches, _file_bytes, _AHEAD
        )
        for patch, data in zip(patches, files, strict=True):
            paste(canvas, patch, decode(data))
        return canvas

    def _entry(self, index: int, pool: Sequence[Entry]) -> Entry:
        random, _ = self._random(index)
        chosen = [pool[row] for row in random.integers(len(pool), size=len(self._cells(index)) * self.choices)]
        content_hash = self._content_hash(index, [each.version for each in chosen])
        return Entry(_id(index), _path(index, chosen), content_hash)

    def _sources(self, root: str, path: str, read: Reader) -> tuple[int, list[Sample]]:
        try:
            index, named = json.loads(path)
            entries = [Entry(image_id, source, "") for image_id, source in named]
            if len(entries) != len(self._cells(index)) * self.choices:
                raise ValueError("another number of sources")
        except (ValueError, TypeError):
            raise ValueError(f"{path[:80]!r} is not the path of a canvas of this set") from None
        return index, list(read_ahead(root, read, entries))

    def _sample(self, index: int, sources: Sequence[Sample]) -> Sample:
        content_hash = self._content_hash(index, [each.content_hash for each in sources])
        canvas = Sample(_id(index), _path(index, sources), content_hash, self.width, self.height)
        return with_faces(canvas, self._patches(index, sources))

    def _patches(self, index: int, sources: Sequence[Sample]) -> list[Patch]:
        _, random = self._random(index)
        found = []
        for number, cell in enumerate(self._cells(index)):
            sampled = sources[number * self.choices : (number + 1) * self.choices]
            if patch := patch_for(cell, sampled, random):
                found.append(patch)
        return found

    def _cells(self, index: int) -> list[Cell]:
        heights = HeightDistribution(self.width, self.height, self.smallest, self.largest, self.tilt, self.finest)
        return heights.cells(np.random.default_rng([self.seed, index, 0]))

    def _random(self, index: int) -> tuple[np.random.Generator, np.random.Generator]:
        # For the choice of images, without opening one; and for windows, which depend on sizes and faces.
        return np.random.default_rng([self.seed, index, 1]), np.random.default_rng([self.seed, index, 2])

    def _content_hash(self, index: int, sources: Sequence[str]) -> str:
        own: Mapping[str, Any] = self.model_dump(exclude={"images"})
        fields = {**own, "index": index, "sources": list(sources), "version": _VERSION}
        return hash_bytes(json.dumps(fields, sort_keys=True).encode())


def _file_bytes(patch: Patch) -> float:
    """Returns the most that the compressed source is likely to have."""
    return 3.0 * patch.source.width * patch.source.height


def _id(index: int) -> str:
    return f"mosaic/{index:06d}"


def _path(index: int, sources: Sequence[Entry] | Sequence[Sample]) -> str:
    return json.dumps([index, [[each.image_id, each.path] for each in sources]], ensure_ascii=False)


@lru_cache(maxsize=4)
def _opened(of: Dataset, root: str) -> Reader:
    # Labels are parsed once per process and not for every canvas.
    return of.open(root)
