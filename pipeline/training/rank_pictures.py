"""The pictures of a join as a ranker's training sees them: one detector drawn, image and boxes changed alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.box_table import COLUMNS, box_table
from pipeline.data.images import decode
from pipeline.data.ranking_rows import Ranking, RankingRows
from pipeline.training.augment.photometric import Photometric
from pipeline.training.augment.policy import Policy
from pipeline.training.augment.resize import draw_interpolation, scaled_size
from pipeline.training.augment.scene import Float32, Scene
from pipeline.training.augment.seeds import generator_for
from pipeline.training.augment.square_crop import SquareCrop
from pipeline.training.augment.view import View
from pipeline.training.kept import Kept
from pipeline.training.rank_batch import RankExample, RankPixels
from pipeline.training.ranker_recipe import RankerRecipe

ON_A_FACE: Final = 0.5
"""Overlap from which a box stands for its face: a square crop is drawn so that it holds one, if there is any."""

KEPT_ROWS: Final = 2**28  # bytes; 700 pictures with three times 5,000 boxes


@dataclass
class RankPictures:
    """A `Source` over a join; decoded pictures, and the rows of boxes, are kept while there is room.

    Seed, epoch and image id decide which detector's boxes are taken, all alike, and what happens to them. A crop moves
    and clips boxes and drops those whose centre leaves it or that have no area; what remains keeps its order, its
    scores and its overlaps, which belong to the untouched picture (CRFace, section 4.2, does not say; the overlap of
    boxes and faces that were both clipped is another number). The table then has the best rows of the *crop*.

    The picture is a square and the table is relative to it, as both are at the test relative to the image; where
    `recipe.whole` is set the square is the image, its long edge brought to the side, aspect kept, in the top left
    corner and padded, and the table is relative to the square with its padding.

    Attributes:
        rankings: each picture's file and boxes.
        read: path -> compressed bytes; raises OSError or ValueError where they are gone.
        recipe: augmentation, rows of the table, and seed.
        fill: BGR of what lies outside a picture: the ranker's own mean, zero after normalisation.
    """

    rankings: RankingRows
    read: Callable[[str], bytes]
    recipe: RankerRecipe
    fill: tuple[float, float, float]
    _kept: Kept[NDArray[np.uint8]] = field(default_factory=Kept, repr=False)
    _kept_rows: Kept[Ranking] = field(default_factory=lambda: Kept(KEPT_ROWS), repr=False)

    def __len__(self) -> int:
        """Returns the number of pictures."""
        return len(self.rankings)

    def name(self, index: int) -> str:
        """Returns a picture's image id."""
        return self.rankings.name(index)

    def __call__(self, index: int, epoch: int, side: int) -> RankExample:
        """Returns one picture, `side` pixels wide and high, with its table, see `Source`."""
        ranking = self._kept_rows.get(index, lambda: self.rankings[index])
        rng = generator_for(self.recipe.seed, epoch, ranking.image_id)
        boxes, scores, overlaps = ranking.of_detector(int(rng.integers(len(ranking.valid))))
        scene = Scene.of(self._kept.get(index, lambda: self._decoded(ranking)), boxes, valid=overlaps >= ON_A_FACE)
        seen = rank_policy(self.recipe, side, self.fill)(rng, scene)
        table, valid = box_table(seen.boxes, scores[seen.rows], side, side, self.recipe.rows)
        truth = np.zeros(self.recipe.rows, np.float32)
        truth[:valid] = self.recipe.truths(overlaps[seen.rows[:valid]])
        assert seen.image.dtype == np.uint8
        return RankExample(ranking.image_id, seen.image.astype(np.uint8, copy=False), table, truth, valid)

    def blank(self, index: int, side: int) -> RankExample:
        """Returns a black picture without boxes: nothing can be learnt from it."""
        table = np.zeros((self.recipe.rows, len(COLUMNS)), np.float32)
        return RankExample(self.name(index), np.zeros((side, side, 3), np.uint8), table, table[:, 0].copy(), 0)

    def assemble(self, step: int, examples: Sequence[RankExample], errors: Sequence[str]) -> RankPixels:
        """Returns the batch of examples, see `RankPixels.of`."""
        return RankPixels.of(step, examples, errors)

    def _decoded(self, ranking: Ranking) -> NDArray[np.uint8]:
        image = decode(self.read(ranking.path))
        height, width = image.shape[:2]
        if (width, height) != (ranking.width, ranking.height):
            raise ValueError(f"{width} x {height} pixels, its boxes are of {ranking.width} x {ranking.height}")
        return image


@dataclass(frozen=True, slots=True)
class Letterbox:
    """The whole picture, its long edge brought to the training size, in the top left corner of the square."""

    def draw(self, rng: np.random.Generator, width: int, height: int, boxes: Float32, side: int) -> View:
        """Returns the view of everything; only the interpolation is drawn."""
        kind = draw_interpolation(rng)
        size = scaled_size(width, height, side / max(width, height), None)
        return View((0, 0, width, height), *size, 0, 0, side, kind)


def rank_policy(recipe: RankerRecipe, side: int, fill: tuple[float, float, float]) -> Policy:
    """Returns the augmentation that a recipe asks for; no box is too small for it.

    Args:
        recipe: names it.
        side: of the result in pixels.
        fill: BGR outside the picture.
    """
    return Policy(
        geometry=Letterbox() if recipe.whole else SquareCrop(recipe.shares),
        side=side,
        photometric=Photometric() if recipe.colours else None,
        mirrored=recipe.mirrored,
        smallest=0,
        fill=fill,
        pixels="uint8",
        colours="cheapest",
    )
