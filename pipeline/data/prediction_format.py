"""Check of the format of predictions: boxes in pixels of the original image, and a score.

Corners read as widths, shares of the image read as pixels or a score in front of the box give an AP near zero and no
error. Each published format is tried on some of the images: where another one finds several times as many faces, the
numbers are of that format. A weak detector is weak in every format, and passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.matching import match_faces

Float64 = NDArray[np.float64]

IMAGES: Final = 200
ROWS: Final = 100
_TIMES: Final = 3  # another format must find so many times the faces found as read, or by chance,
_MORE, _MANY = 2, 5  # and two more; five where boxes are so many that some match by chance
_SHARE: Final = 0.1  # and of all faces
_SCALED_SHARE: Final = 0.2  # the same for an unknown factor
_UNIT: Final = (-0.5, 2.0)  # range of shares of the image, boxes that leave it included
_EDGE: Final = 1024  # of WIDER FACE's images
_EDGES: Final = (320, 416, 480, 512, 640, 768, 800, 960, 1280, 1600, 1920, 2048, 3840, 4096, 7680)

LAYOUTS: Final[Mapping[str, Callable[[Float64], list[Float64]]]] = {
    "x y w h": lambda v: [v[0], v[1], v[0] + v[2], v[1] + v[3]],
    "x1 y1 x2 y2": lambda v: [v[0], v[1], v[2], v[3]],
    "cx cy w h": lambda v: [v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2],
    "y x h w": lambda v: [v[1], v[0], v[1] + v[3], v[0] + v[2]],
    "y1 x1 y2 x2": lambda v: [v[1], v[0], v[3], v[2]],
    "x1 x2 y1 y2": lambda v: [v[0], v[2], v[1], v[3]],
}
"""Name -> the corners x1, y1, x2, y2 of four columns [4, N]."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Facts of an image: its faces [F, 4] xyxy in pixels, and (width, height), or None where unknown."""

    faces: NDArray[np.floating] = field(default_factory=lambda: np.zeros((0, 4)))
    size: tuple[int, int] | None = None


def require_format(source: object, expected: str, rows: Iterable[tuple[NDArray[np.floating], ImageInfo]]) -> None:
    """Raises ValueError, beginning with ``source``, where predictions are evidently of another format than expected.

    ``expected`` is an entry of `LAYOUTS`, the first four numbers of a row, whose last one is its score; ``rows`` has
    the numbers [n, 5 or more] of each image, and its facts.
    """
    sampled = _Rows.of(rows, expected)
    if sampled is None:
        return
    problem = sampled.shares() or sampled.other_format() or sampled.misplaced() or sampled.leaves_the_image()
    if problem:
        raise ValueError(f"{source}: expected rows of {expected} score in pixels of the original image, {problem}")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of some images: numbers [C, N] by column, the image of each row, all faces, and the images' sizes [I, 2]."""

    expected: str
    columns: Float64
    image_N: NDArray[np.int64]
    faces: Float64
    image_F: NDArray[np.int64]
    sizes: Float64 | None

    @classmethod
    def of(cls, rows: Iterable[tuple[NDArray[np.floating], ImageInfo]], expected: str) -> _Rows | None:
        """Returns the images that have boxes, at most `IMAGES` of them, those with faces if there are any."""
        present = [(numbers[:ROWS].astype(np.float64), known) for numbers, known in rows if len(numbers)]
        labelled = [each for each in present if len(each[1].faces)]
        chosen = _subset(labelled or present)
        if not chosen:
            return None
        width = min(numbers.shape[1] for numbers, _ in chosen)
        alike = all(numbers.shape[1] == width for numbers, _ in chosen)
        # Rows of different lengths end in their scores.
        tables = [numbers if alike else np.c_[numbers[:, : width - 1], numbers[:, -1]] for numbers, _ in chosen]
        sizes = [known.size for _, known in chosen]
        return cls(
            expected,
            np.concatenate(tables).T.copy(),
            np.repeat(np.arange(len(chosen)), [len(table) for table in tables]),
            np.concatenate([np.zeros((0, 4)), *(known.faces for _, known in chosen)]).astype(np.float64),
            np.repeat(np.arange(len(chosen)), [len(known.faces) for _, known in chosen]),
            np.array(sizes, np.float64) if all(size is not None and min(size) > 0 for size in sizes) else None,
        )

    def shares(self) -> str | None:
        """Returns a message where boxes are shares of the image instead of pixels."""
        for offset in sorted(self._offsets(), key=lambda each: each != self._box_begins()):
            four = self.columns[offset : offset + 4]
            inside = (four >= _UNIT[0]) & (four <= _UNIT[1])
            # In some programs rows of zeros mean no detection.
            if inside.mean(axis=1).min() >= 0.995 and (four != np.round(four)).any(axis=0).mean() > 0.5:
                best = self._best_of_shares(offset)
                form = " or ".join(self._named(offset, each) for each in ([best] if best else _layouts_of_shares(four)))
                return f"found numbers in 0..1: they look like {form}, as shares of the image's sides"
        return None

    def misplaced(self) -> str | None:
        """Returns a message where a score or a class precedes the box, or other numbers follow the score."""
        first, last = self.columns[0], self.columns[-1]
        no_score = len(self.columns) == 5 and bool(np.quantile(last, 0.05) > 1)
        if no_score and len(first) >= 3 and first.min() >= 0 and first.max() <= 1 and (first != np.round(first)).any():
            return f"found first numbers in 0..1 and last ones up to {last.max():g}: they look like score {_FOUR}"
        few = len(np.unique(first)) <= 3 and (first == np.round(first)).all() and 0 <= first.min() <= first.max() <= 100
        if few and (no_score or len(self.columns) >= 6) and len(first) >= 10 and len(np.unique(self.columns[1])) > 3:
            without = ", without a score" if no_score else ""
            return f"found first numbers of {_listed(first)} only: they look like class {_FOUR}{without}"
        if len(self.columns) >= 6:
            fifth = self.columns[4]
            score = fifth.min() >= 0 and fifth.max() <= 1 and (fifth != np.round(fifth)).any()
            if score and (last.max() > 1 or len(np.unique(last)) == 1 < len(np.unique(fifth))):
                found = f"found {len(self.columns)} numbers in a row, of which the fifth looks like the score"
                return f"{found} and the last one, {_range(last)}, does not: leave out what follows the score"
        return None

    def other_format(self) -> str | None:
        """Returns a message where another format finds several times as many faces."""
        total = len(self.faces)
        as_read = self._found(0, self.expected)
        if _TIMES * as_read + _MORE > total:
            return None
        more = _MORE if self.columns.shape[1] <= 10 * total else _MANY
        forms = [(offset, layout) for offset in self._offsets() for layout in LAYOUTS]
        tried = {each: self._found(*each) for each in forms if each != (0, self.expected)}
        best = max(tried, key=lambda each: tried[each])
        met = tried[best]
        if met >= max(_TIMES * as_read + more, _SHARE * total) and met >= _TIMES * self._found(*best, turned=1):
            name = self._named(*best)
            return f"found boxes that look like {name}: so read they meet {met} of {total} faces, else {as_read}"
        scaled = {edge: self._found(0, self.expected, self._factor(edge)) for edge in _EDGES}
        edge = max(scaled, key=lambda each: scaled[each])
        met, chance = scaled[edge], self._found(0, self.expected, self._factor(edge), turned=1)
        if met >= max(_TIMES * as_read + _MANY, _SCALED_SHARE * total) and met >= _TIMES * chance:
            counts = f"so enlarged or reduced they meet {met} of {total} faces, else {as_read}"
            assumed = f" in place of {_EDGE}" if self.sizes is None else ""
            return f"found boxes that look like those of images with a long side of {edge}{assumed}: {counts}"
        return None

    def leaves_the_image(self) -> str | None:
        """Returns a message where there are no faces and boxes end far outside their images."""
        if len(self.faces) or self.sizes is None or self.expected != "x y w h" or self.columns.shape[1] < 5:
            return None
        width, height = 1.1 * self.sizes[self.image_N].T
        a, b, c, d = self.columns[:4]
        outside = (a + c > width) | (b + d > height)
        corners = (c >= a) & (d >= b) & (c <= width) & (d <= height)
        if outside.mean() > 0.25 and corners.mean() >= 0.9:
            found = f"found that {round(100 * outside.mean())} % of the boxes end outside their images"
            return f"{found}: they look like {self._named(0, 'x1 y1 x2 y2')}"
        return None

    def _found(self, offset: int, layout: str, factor: Float64 | float = 1.0, turned: int = 0) -> int:
        """Returns how many faces some box meets, if the four columns from ``offset`` on have that layout.

        Turned by one, every image has the faces of another, so that boxes meet faces by chance.
        """
        images = int(self.image_N.max()) + 1
        if turned and images == 1:
            return 0
        boxes = np.stack(LAYOUTS[layout](self.columns[offset : offset + 4] * factor), axis=1)
        valid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        met = match_faces(boxes[valid], self.image_N[valid], self.faces, (self.image_F + turned) % images)
        return len(np.unique(met[met >= 0]))

    def _factor(self, edge: int) -> Float64 | float:
        """Returns the factor from images with such a long side to the original, `_EDGE` where that is unknown."""
        return _EDGE / edge if self.sizes is None else self.sizes[self.image_N].max(axis=1) / edge

    def _best_of_shares(self, offset: int) -> str | None:
        if self.sizes is None or not len(self.faces):
            return None
        sides = np.tile(self.sizes[self.image_N].T, (2, 1))
        swapped = sides[[1, 0, 3, 2]]
        across = {"y x h w": swapped, "y1 x1 y2 x2": swapped, "x1 x2 y1 y2": sides[[0, 2, 1, 3]]}
        found = {layout: self._found(offset, layout, across.get(layout, sides)) for layout in LAYOUTS}
        best = max(found, key=lambda name: found[name])
        return best if found[best] else None

    def _offsets(self) -> range:
        return range(min(3, len(self.columns) - 3))

    def _box_begins(self) -> int:
        """Returns the likely column of a box's first number: after a class, or after scores that fall row by row."""
        falls = [
            bool(((np.diff(column) <= 0) | (np.diff(self.image_N) > 0)).all() and len(np.unique(column)) > 2)
            for column in self.columns
        ]
        integers = bool((self.columns[0] == np.round(self.columns[0])).all())
        offset = 1 + falls[1] if integers else int(falls[0] and not falls[-1])
        return min(offset, max(self._offsets()))

    def _named(self, offset: int, layout: str) -> str:
        first = self.columns[0]
        is_class = bool((first == np.round(first)).all()) and len(np.unique(first)) <= 100
        before = ([], ["class" if is_class else "score"], ["class", "score"])[offset]
        after = ["score"] if len(self.columns) - offset > 4 else []
        return " ".join([*before, layout, *after])


_FOUR = "and four numbers of a box"


def _layouts_of_shares(four: Float64) -> list[str]:
    """Returns the likely layouts of boxes that are shares of the image: those that stay inside it."""
    fits = {}
    for layout in ("x y w h", "x1 y1 x2 y2", "cx cy w h"):
        x1, y1, x2, y2 = LAYOUTS[layout](four)
        inside = (x1 >= -0.01) & (y1 >= -0.01) & (x2 <= 1.01) & (y2 <= 1.01) & (x2 >= x1) & (y2 >= y1)
        fits[layout] = float(inside.mean())
    return [name for name, fit in fits.items() if fit >= max(fits.values()) - 0.05]


def _subset(images: Sequence[tuple[Float64, ImageInfo]]) -> list[tuple[Float64, ImageInfo]]:
    """Returns at most `IMAGES` of the images, at equal distances."""
    numbers = np.unique(np.linspace(0, len(images) - 1, min(IMAGES, len(images))).round().astype(int))
    return [images[number] for number in numbers.tolist()]


def _listed(values: Float64) -> str:
    return ", ".join(f"{value:g}" for value in np.unique(values)[:3])


def _range(values: Float64) -> str:
    low, high = values.min(), values.max()
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
