"""Operations to seconds: a line through what was measured of the same network, or of the nearest one that was."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from jobs.costing.networks import Network
from jobs.costing.rates import RATES, Numbers, Rate, Work

FORWARD_AND_BACK = 3  # a training step does two more passes of the same size backwards
_SAME = 0.05  # a network whose switches change its operations by less is still the one that was measured


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of an image for its operations.

    Attributes:
        points: (operations, seconds, pixels, MB or None) of one image, by rising operations, one or more.
        measured: the very network was measured with these numbers, at whatever size.
        network: that was.
        factor: on its seconds, for numbers that it was not measured with.
    """

    points: tuple[tuple[float, float, int, float | None], ...]
    measured: bool
    network: str
    factor: float = 1.0

    def seconds(self, operations: float) -> float:
        """Returns the seconds of one image of so many operations.

        Between two sizes, and beyond the larger one, along the line through both; below the smaller one as long as
        there, since launching is the limit at such sizes. From one size alone in proportion.
        """
        (least, short, *_), (most, long, *_) = self.points[0], self.points[-1]
        if most == least:
            return self.factor * short * operations / least
        return self.factor * (short + (long - short) * max(0.0, operations - least) / (most - least))

    def memory_mb(self, pixels: float) -> float | None:
        """Returns MB of the device at the peak for so many pixels, along the same line; None where none was noted."""
        (_, _, few, small), (_, _, many, large) = self.points[0], self.points[-1]
        if small is None or large is None or few == many:
            return None
        return small + (large - small) * max(0.0, pixels - few) / (many - few)


@cache
def pace_of(network: Network, work: Work, numbers: Numbers) -> Pace:
    """Returns the pace of a network, that of the measured one of most equal operations per image if it is not one.

    A training in numbers that none was measured with is slower, or faster, by what an 8K image is in these numbers.

    Raises:
        ValueError: nothing of the kind was ever measured.
    """
    alike = [each for each in RATES if each.work == work and Network(each.network).is_detector == network.is_detector]
    right = [each for each in alike if each.numbers == numbers] or alike
    if not right:
        raise ValueError(
            f"no rate of {work} was measured that {network.name} could be counted from; see jobs/costing/rates.py"
        )
    nearest = min(right, key=lambda rate: _distance(network, rate.network))
    points = tuple(
        sorted(
            (operations_of(each), each.seconds, each.width * each.height, each.memory_mb)
            for each in right
            if each.network == nearest.network
        )
    )
    if nearest.numbers == numbers:
        same = nearest.network == network.name and _distance(network, network.name) < _SAME
        return Pace(points, same, nearest.network)
    return Pace(points, False, nearest.network, _slower(network, numbers, nearest.numbers))


def operations_of(rate: Rate) -> float:
    """Returns the operations of one image of a rate, in a training forwards and backwards."""
    training = rate.work == "training"
    forward = Network(rate.network).flops(rate.width, rate.height, training=training)
    return forward * (FORWARD_AND_BACK if training else 1)


def _distance(network: Network, other: str) -> float:
    """Returns how far two networks are apart: the logarithm of the ratio of their operations at 640 x 640."""
    return abs(math.log(network.flops(640, 640) / Network(other).flops(640, 640)))


def _slower(network: Network, numbers: Numbers, measured: Numbers) -> float:
    """Returns the ratio of seconds in two kinds of numbers at 8K, of the detector nearest to a network."""
    as_wanted, as_measured = (
        {rate.network: rate for rate in RATES if rate.work == "image" and rate.numbers == each and rate.width > 4096}
        for each in (numbers, measured)
    )
    nearest = min(as_wanted.keys() & as_measured.keys(), key=lambda name: (_distance(network, name), name))
    return as_wanted[nearest].seconds / as_measured[nearest].seconds
