"""Parameters and arithmetic of every detector and ranker, as the tables in README.md have them.

Run: python -m pipeline.models.flops
"""

from __future__ import annotations

import torch
from torch import nn

from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from pipeline.models.init import without_weights
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.ranker import Ranker


def flops(detector: Detector, height: int = 640, width: int = 640) -> int:
    """Returns the floating-point operations of one forward pass: two per multiply-add of every convolution.

    The detector is best built on torch's "meta" device, where nothing is computed; sides are in pixels.
    """
    return _counted(detector, torch.zeros(1, 3, height, width, device=next(detector.parameters()).device))


def ranker_flops(ranker: Ranker, height: int = 640, width: int = 640) -> int:
    """Returns the same of a ranker and a full table: convolutions and products of matrices that are computed.

    On torch's "meta" device only for a ranker whose work does not depend on the boxes, as CRFace's.
    """
    device = next(ranker.parameters()).device
    count = ranker.num_candidates
    corner = torch.rand(1, count, 2, generator=torch.Generator().manual_seed(0)) * 0.8
    tables = torch.cat([corner, torch.full((1, count, 2), 0.1), torch.full((1, count, 1), 0.5)], dim=2)
    images = torch.zeros(1, 3, height, width, device=device)
    return _counted(ranker, images, tables.to(device), torch.tensor([count]))


def _counted(network: nn.Module, *inputs: torch.Tensor) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*inputs)
    return int(counter.get_total_flops())


def main() -> None:
    """Prints one Markdown row per network: parameters and GFLOP, of a detector also with the heads of training."""
    for name, spec in DETECTORS.items():
        with without_weights():
            detector = spec.build().eval()
        parameters = sum(parameter.numel() for parameter in detector.parameters())
        test = flops(detector) / 1e9
        detector.all_heads = True
        print(f"| `{name}` | {parameters / 1e6:.2f} M | {test:.1f} | {flops(detector) / 1e9:.1f} |")
    for name, entry in RANKERS.items():
        ranker = entry.build().eval()
        parameters = sum(parameter.numel() for parameter in ranker.parameters())
        print(f"| `{name}` | {parameters / 1e6:.2f} M | {ranker_flops(ranker) / 1e9:.1f} |")


if __name__ == "__main__":
    main()
