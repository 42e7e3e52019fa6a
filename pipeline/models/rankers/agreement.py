"""A ranker of the union of several canvases' or detectors' candidates: it reads their agreement, and no pixels.

A perceptron adds to the logit of each box's score. It is no entry of `RANKERS`, whose rankers see an image and the
table of one canvas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.boxes.agreement import FEATURES, LOGIT, Agreement, Scored
from pipeline.models.checkpoint import AGREEMENT, METADATA_KEY, Checkpoint, Source
from pipeline.models.weights import built, load

SMALLEST_DEVIATION: Final = 1e-3
"""A feature that varies less than this over the training boxes is not stretched further."""


class AgreementRanker(nn.Module):
    """Seven numbers of a box to its refined logit: two hidden layers of rectifiers, a residual of 0 at first.

    Attributes:
        agreement: how the numbers are made.
        sets: canvases or detectors whose candidates are read; sums over another number of them mean something else.
        mean, deviation: float32 [7], of the features of the training boxes.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, agreement: Agreement, sets: int, width: int = 64) -> None:
        """Args: see the attributes; channels of a hidden layer. Raises ValueError: sets or width is below 1."""
        super().__init__()
        if sets < 1 or width < 1:
            raise ValueError(f"sets is {sets} and width {width}, expected 1 or more of each")
        self.agreement, self.sets = agreement, sets
        self.register_buffer("mean", torch.zeros(len(FEATURES)))
        self.register_buffer("deviation", torch.ones(len(FEATURES)))
        last = nn.Linear(width, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(
            nn.Linear(len(FEATURES), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last
        )

    def standardise(self, features: Tensor) -> None:
        """Takes mean and deviation from the features float32 [N, 7] of the training boxes, two or more."""
        self.mean.copy_(features.mean(dim=0))
        self.deviation.copy_(features.std(dim=0) + SMALLEST_DEVIATION)

    def forward(self, features: Tensor) -> Tensor:
        """Returns the refined logits float32 [N] of features float32 [N, 7], see `Agreement.features`."""
        residual: Tensor = self.layers((features - self.mean) / self.deviation)[:, 0]
        return features[:, LOGIT] + residual

    def require_sets(self, number: int) -> None:
        """Raises ValueError unless it was trained on candidates of so many canvases or detectors."""
        if number != self.sets:
            raise ValueError(f"it was trained on candidates of {self.sets} canvases or detectors, found {number}")

    @torch.inference_mode()
    def scores(
        self, boxes_N4: NDArray[np.float32], scores_N: NDArray[np.float32], sets: Sequence[Scored]
    ) -> NDArray[np.float32]:
        """Returns the refined scores float32 [N] in 0..1, for what `Agreement.features` takes.

        Raises ValueError: candidates of another number of sets than in training, or an answer that is no number.
        """
        self.require_sets(len(sets))
        features = torch.from_numpy(self.agreement.features(boxes_N4, scores_N, sets))
        refined: NDArray[np.float32] = torch.sigmoid(self(features).double()).float().numpy()
        if not np.isfinite(refined).all():
            raise ValueError("the ranker answered with NaN or infinity: weights or input are damaged")
        return refined


def save_agreement(ranker: AgreementRanker, recipe: Mapping[str, Any]) -> bytes:
    """Returns safetensors bytes with all that `open_agreement` needs, and the recipe; equal weights, equal bytes."""
    from safetensors.torch import save

    model_args = {"sets": ranker.sets, "width": ranker.layers[0].out_features}
    config = {AGREEMENT: asdict(ranker.agreement), "model_args": model_args, "recipe": dict(recipe)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in ranker.state_dict().items()}
    data: bytes = save(tensors, metadata={METADATA_KEY: json.dumps(config, sort_keys=True)})
    return data


def open_agreement(source: Checkpoint | Source) -> AgreementRanker:
    """Returns the ranker of a checkpoint, in evaluation mode on the CPU.

    Raises ValueError: another network's checkpoint, or one that lacks something.
    """
    checkpoint = Checkpoint.of(source)
    settings, known = checkpoint.agreement(), {each.name for each in fields(Agreement)}
    if set(settings) != known:
        found = ", ".join(sorted(settings)) or "none"
        raise ValueError(
            f"{checkpoint.where}the checkpoint's settings are {found}, expected {', '.join(sorted(known))}"
        )
    agreement = Agreement(**settings)
    ranker = built(lambda **args: AgreementRanker(agreement, **args), checkpoint.model_args, checkpoint)
    load(ranker, checkpoint)
    return ranker.eval()
