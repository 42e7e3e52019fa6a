"""Networks as a cost: operations per image, parameters, landmarks; counted on torch's "meta" device by `flops.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import torch

from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector, Raw
from pipeline.models.detectors.six_levels import SixLevelDetector
from pipeline.models.detectors.spec import Decides
from pipeline.models.flops import flops, ranker_flops
from pipeline.models.init import without_weights
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.ranker import ROWS, Ranker
from pipeline.models.rankers.roi import RoIRanker

M = TypeVar("M", bound=torch.nn.Module)
_SIDE = 640
_USUAL = ("num_candidates", ROWS)
_FREE = ("pretrained", "frozen", "pixels")  # switches that change no operation of a forward pass, and no parameter
_TWO_SIDES = (64, 128)


@dataclass(frozen=True, slots=True)
class Network:
    """One network with its switches.

    Attributes:
        name: entry of `DETECTORS` or `RANKERS`.
        model_args: arguments of its factory as JSON, but those that change neither operations nor parameters.
        decides: of a detector, see `SixLevelDetector.decide_by`; None: what its model args say.
    """

    name: str
    model_args: str = "{}"
    decides: Decides | None = None

    @classmethod
    def of(cls, name: str, model_args: Mapping[str, Any] | None = None, decides: Decides | None = None) -> Network:
        """Returns the network of an entry with switches as a config has them."""
        kept = {key: each for key, each in (model_args or {}).items() if key not in _FREE and (key, each) != _USUAL}
        return cls(name, json.dumps(kept, sort_keys=True), decides)

    @property
    def is_detector(self) -> bool:
        """Whether it is a detector, and not a ranker."""
        return self.name in DETECTORS

    @property
    def parameters(self) -> int:
        """How many numbers it has learnt."""
        return sum(each.numel() for each in (_detector(self) if self.is_detector else _ranker(self)).parameters())

    def detector(self) -> Detector:
        """Returns it built without numbers and norms, for what it says of itself; shared, do not change it."""
        return _detector(self)

    @property
    def landmarks(self) -> bool:
        """Whether its candidates have landmarks."""
        return self.is_detector and _counted(self, False)[1]

    def flops(self, width: int, height: int, *, training: bool = False) -> float:
        """Returns the operations of one forward pass over one image; of a detector in training with all its heads.

        A detector's grow with the pixels, exactly so for sides of whole cells; a ranker has a full table.
        """
        if self.is_detector:
            return _counted(self, training)[0] * width * height / _SIDE**2
        return _ranker_flops(self, width, height)


@cache
def _detector(network: Network) -> Detector:
    with without_weights():  # a third of the time of a page of costs
        detector = DETECTORS.find(network.name).build(**json.loads(network.model_args)).eval()
    if network.decides is not None:
        detector.decide_by(network.decides)
    return _without_norms(detector)


@cache
def _counted(network: Network, all_heads: bool) -> tuple[int, bool]:
    """Returns the operations of a detector for one image of 640 x 640, and whether its answer has landmarks."""
    detector = _detector(network)
    if all_heads and not (isinstance(detector, SixLevelDetector) and (detector.hierarchical or detector.first_shot)):
        return _counted(network, False)
    answers = list[Raw]()
    hook = detector.register_forward_hook(lambda module, given, answer: answers.append(answer))
    detector.all_heads = all_heads
    try:
        return flops(detector, _SIDE, _SIDE), answers[0].landmarks is not None
    finally:
        detector.all_heads = False
        hook.remove()


@cache
def _ranker(network: Network, device: str = "meta") -> Ranker:
    with without_weights() if device == "meta" else torch.device(device):
        return _without_norms(RANKERS.find(network.name).build(**json.loads(network.model_args)).eval())


def _without_norms(network: M) -> M:
    """Returns a network whose norms pass on what they are given: uncounted, they take half of the time here."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.GroupNorm):
            module.forward = torch.nn.Identity().forward  # type: ignore[method-assign]
    return network


@cache
def _ranker_flops(network: Network, width: int, height: int) -> float:
    if not isinstance(ranker := _ranker(network), RoIRanker):
        return ranker_flops(ranker, height, width)
    # What it does depends on where boxes are, so that it needs numbers; its table costs the same whatever the image.
    small, large = (_counted_roi(network, side) for side in _TWO_SIDES)
    slope = (large - small) / (_TWO_SIDES[1] ** 2 - _TWO_SIDES[0] ** 2)
    return small + slope * (width * height - _TWO_SIDES[0] ** 2)


@cache
def _counted_roi(network: Network, side: int) -> int:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine, many small steps in several threads take twenty times as long
    try:
        return ranker_flops(_ranker(network, "cpu"), side, side)
    finally:
        torch.set_num_threads(threads)
