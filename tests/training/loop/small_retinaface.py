"""RetinaFace's levels, anchors, norms and three kinds of heads on five convolutions of eight channels.

What is asked of a whole training is the same for any network; this one has 48 tensors where the smallest of the
product has 300, which are copied, saved and compared at every step.
"""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.models.blocks import ConvUnit, rectifier
from pipeline.models.detectors.detector import Detector, MemoryNeed, Normalisation, Raw
from pipeline.models.detectors.retinaface import STANDARD_SIZES
from pipeline.models.detectors.spec import DetectorSpec
from pipeline.models.heads import DenseHeads

NAME = "small_retinaface"
_WIDTH = 8


class SmallRetinaFace(Detector):
    """Maps at strides 8, 16 and 32, each seen by its heads as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.grid, self.coder = AnchorGrid((8, 16, 32), STANDARD_SIZES), BoxCoder(0.1, 0.2)
        self.normalisation = Normalisation((104.0, 117.0, 123.0))
        self.receptive_halo, self.memory = 64, MemoryNeed(0, 0)
        self.units = nn.ModuleList(
            ConvUnit(3 if number == 0 else _WIDTH, _WIDTH, stride=2, activation=rectifier(0.1)) for number in range(5)
        )
        self.heads = DenseHeads(_WIDTH, [2, 2, 2], (4, 2, 10))

    def forward(self, images: Tensor) -> Raw:
        maps = [images]
        for unit in self.units:
            maps.append(unit(maps[-1]))
        return Raw(*self.heads(maps[3:]))


SPEC = DetectorSpec("five convolutions", SmallRetinaFace)
