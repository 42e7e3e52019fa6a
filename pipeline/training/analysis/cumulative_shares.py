"""A training set's faces below each scale, and the anchors that they match: the curves of MogFace's Fig. 1b."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.data.records import Sample
from pipeline.models.detectors import DETECTORS
from pipeline.models.init import without_weights
from pipeline.training.analysis.face_scales import labelled_scales, sampled_scales
from pipeline.training.analysis.level_ranges import sweep_levels
from pipeline.training.analysis.matched_anchors import shares_below
from pipeline.training.assigners.assigner import Assigner
from pipeline.training.augment.labelled_image import Float32
from pipeline.training.augment.policy import Policy


@dataclass(frozen=True, slots=True)
class CumulativeShares:
    """Shares of faces and anchors below each of `matched_anchors.SCALES`.

    Attributes:
        labelled: float32 [F], scales of the faces in pixels of their originals.
        augmented: float32 [N], scales of the faces in the training images, pixels.
        grid, coder: of the detector whose anchors are matched.
        side: of a training image, pixels.
    """

    labelled: Float32
    augmented: Float32
    grid: AnchorGrid
    coder: BoxCoder
    side: int

    @classmethod
    def of(cls, samples: Sequence[Sample], policy: Policy, detector: str, seed: int, epochs: int = 1) -> Self:
        """Returns the shares of a set; no image is opened.

        Args:
            samples: images of the set.
            policy: augmentation, with the side of a training image.
            detector: entry of `DETECTORS`.
            seed: of the augmentation, 0 or more.
            epochs: passes over the set.
        """
        with without_weights():  # only anchors and coder are asked for
            network = DETECTORS.find(detector).build()
        augmented = sampled_scales(samples, policy, seed, epochs).scales
        return cls(labelled_scales(samples), augmented, network.grid, network.coder, policy.side)

    def of_labelled(self) -> NDArray[np.float64]:
        """Returns float64 [S]: the share of the faces as they are labelled."""
        return shares_below(self.labelled)

    def of_augmented(self) -> NDArray[np.float64]:
        """Returns float64 [S]: the share of the faces as training sees them."""
        return shares_below(self.augmented)

    def of_anchors(self, assigner: Assigner) -> NDArray[np.float64]:
        """Returns float64 [S]: the share of the anchors that those match, each face alone in its image."""
        return shares_below(self.augmented, sweep_levels(self.grid, self.coder, assigner, self.side))
