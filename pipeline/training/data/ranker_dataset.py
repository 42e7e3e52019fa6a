"""The pictures of a join as a ranker's training sees them: one detector drawn, image and boxes changed alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.box_table import COLUMNS
from pipeline.data.images import decode
from pipeline.data.labelled_candidates import LabelledCandidateReader, LabelledCandidates
from pipeline.models.rankers.frame import Seen, trained_frame
from pipeline.training.augment.mirror import mirror
from pipeline.training.augment.photometric import Distortion, Photometric
from pipeline.training.augment.policy import Policy
from pipeline.training.augment.scene import Scene
from pipeline.training.augment.seeds import generator_for
from pipeline.training.augment.square_crop import SquareCrop
from pipeline.training.data.cache import SampleCache
from pipeline.training.data.ranker_collate import RankerExample, RankerPixelBatch
from pipeline.training.recipes.ranker import RankerRecipe

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Uint8 = NDArray[np.uint8]

ON_A_FACE: Final = 0.5
"""Overlap from which a box stands for its face: a square crop is drawn so that it holds one, if there is any."""

CACHED_ROWS: Final = 2**28  # bytes; 700 pictures with three times 5,000 boxes


@dataclass
class RankerDataset:
    """A `Source` over a join; decoded pictures, and the rows of boxes, are kept while there is room.

    Seed, epoch and image id decide which detector's boxes are taken, all alike, and what happens to them. A crop moves
    and clips boxes and drops those whose centre leaves it or that have no area; what remains keeps its order, its
    scores and its overlaps, which belong to the untouched picture (CRFace, section 4.2, does not say; the overlap of
    boxes and faces that were both clipped is another number). The table then has the best rows of the *crop*.

    A crop is an image of its own from then on. Where `recipe.whole` is set, the image is mirrored and its colours are
    changed, and nothing else: all boxes stay, and the network gets what it gets of that image in use, to the bit.
    `Frame` makes its input in either case.

    Attributes:
        rankings: each picture's file and boxes.
        read: path -> compressed bytes; raises OSError or ValueError where they are gone.
        recipe: augmentation, rows of the table, and seed.
        fill: BGR of what lies outside a picture: the ranker's own mean, zero after normalisation.
    """

    rankings: LabelledCandidateReader
    read: Callable[[str], bytes]
    recipe: RankerRecipe
    fill: tuple[float, float, float]
    _kept: SampleCache[NDArray[np.uint8]] = field(default_factory=SampleCache, repr=False)
    _kept_rows: SampleCache[LabelledCandidates] = field(default_factory=lambda: SampleCache(CACHED_ROWS), repr=False)

    def __len__(self) -> int:
        """Returns the number of pictures."""
        return len(self.rankings)

    def name(self, index: int) -> str:
        """Returns a picture's image id."""
        return self.rankings.name(index)

    def __call__(self, index: int, epoch: int, side: int) -> RankerExample:
        """Returns one picture, `side` pixels wide and high, with its table, see `Source`."""
        ranking = self._kept_rows.get(index, lambda: self.rankings[index])
        rng = generator_for(self.recipe.seed, epoch, ranking.image_id)
        boxes, scores, overlaps = ranking.of_detector(int(rng.integers(len(ranking.valid))))
        scene = Scene.of(self._kept.get(index, lambda: self._decoded(ranking)), boxes, valid=overlaps >= ON_A_FACE)
        seen, kept = (self._whole if self.recipe.whole else self._crop)(rng, scene, scores, side)
        truth = np.zeros(self.recipe.num_candidates, np.float32)
        truth[: seen.valid] = self.recipe.truths(overlaps[kept[: seen.valid]])
        return RankerExample(ranking.image_id, seen.pixels, seen.table, truth, seen.valid)

    def blank(self, index: int, side: int) -> RankerExample:
        """Returns a black picture without boxes: nothing can be learnt from it."""
        table = np.zeros((self.recipe.num_candidates, len(COLUMNS)), np.float32)
        return RankerExample(self.name(index), np.zeros((side, side, 3), np.uint8), table, table[:, 0].copy(), 0)

    def assemble(self, step: int, examples: Sequence[RankerExample], errors: Sequence[str]) -> RankerPixelBatch:
        """Returns the batch of examples, see `RankerPixelBatch.of`."""
        return RankerPixelBatch.of(step, examples, errors)

    def _crop(self, rng: np.random.Generator, scene: Scene, scores: Float32, side: int) -> tuple[Seen, Int64]:
        """Returns a square of the scene as the network sees it, and which rows of the scene are left."""
        cut = rank_policy(self.recipe, side, self.fill)(rng, scene)
        image = cut.image.astype(np.uint8, copy=False)
        return trained_frame(False, side).see(
            image, cut.boxes, scores[cut.rows], self.recipe.num_candidates, self.fill
        ), cut.rows

    def _whole(self, rng: np.random.Generator, scene: Scene, scores: Float32, side: int) -> tuple[Seen, Int64]:
        """Returns all of the scene as the network sees it, and its rows."""
        distortion = Photometric().sample(rng) if self.recipe.colour_jitter else None
        # Before it is put into the square: mirrored afterwards, a high image would lie in the other corner.
        turned = mirror(scene) if rng.random() < self.recipe.flip_prob else scene
        frame, image = trained_frame(True, side), turned.image.astype(np.uint8, copy=False)
        height, width = image.shape[:2]
        pixels = frame.pixels(image, self.fill, None if distortion is None else partial(_distorted, distortion))
        return Seen(pixels, *frame.table(turned.boxes, scores, width, height, self.recipe.num_candidates)), turned.rows

    def _decoded(self, ranking: LabelledCandidates) -> NDArray[np.uint8]:
        image = decode(self.read(ranking.path))
        height, width = image.shape[:2]
        if (width, height) != (ranking.width, ranking.height):
            raise ValueError(f"{width} x {height} pixels, its boxes are of {ranking.width} x {ranking.height}")
        return image


def _distorted(distortion: Distortion, pixels: Uint8) -> Uint8:
    """Returns the pixels with their colours changed, in whole grey levels."""
    return np.rint(distortion.apply(pixels)).clip(0, 255).astype(np.uint8)


def rank_policy(recipe: RankerRecipe, side: int, fill: tuple[float, float, float]) -> Policy:
    """Returns the squares that a recipe asks for; no box is too small for them.

    Args:
        recipe: names it.
        side: of the result in pixels.
        fill: BGR outside the picture.
    """
    return Policy(
        geometry=SquareCrop(recipe.crop_scales),
        side=side,
        photometric=Photometric() if recipe.colour_jitter else None,
        flip_prob=recipe.flip_prob,
        min_face=0,
        fill=fill,
        pixels="uint8",
        colours="cheapest",
    )
