"""Parameters and arithmetic of every detector, as the table in README.md has them.

Run: python -m pipeline.models.flops
"""

from __future__ import annotations

import torch

from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector


def flops(detector: Detector, height: int = 640, width: int = 640) -> int:
    """Returns the floating-point operations of one forward pass: two per multiply-add of every convolution.

    Args:
        detector: best built on torch's "meta" device, where nothing is computed.
        height: of the image, pixels.
        width: likewise.
    """
    from torch.utils.flop_counter import FlopCounterMode

    device = next(detector.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        detector(torch.zeros(1, 3, height, width, device=device))
    return int(counter.get_total_flops())


def main() -> None:
    """Prints one Markdown row per detector: parameters, GFLOP at test time, GFLOP with the heads of training."""
    for name, spec in DETECTORS.items():
        with torch.device("meta"):
            detector = spec.build().eval()
        parameters = sum(parameter.numel() for parameter in detector.parameters())
        test = flops(detector) / 1e9
        detector.all_heads = True
        print(f"| `{name}` | {parameters / 1e6:.2f} M | {test:.1f} | {flops(detector) / 1e9:.1f} |")


if __name__ == "__main__":
    main()
