import pytest
import torch

from pipeline.models.detectors import DETECTORS
from pipeline.models.rankers.normalisations import PIXELS


def test_retinafaces_pixels_are_the_detectors() -> None:
    assert PIXELS["retinaface"] == DETECTORS["retinaface_mobilenet"].build().normalisation


def test_imagenets_mean_becomes_zero() -> None:
    grey = torch.tensor([[[103.53, 116.28, 123.675]]])  # of ImageNet, blue first
    assert PIXELS["imagenet"](grey).abs().max() < 1e-3


def test_others_are_refused() -> None:
    with pytest.raises(ValueError, match="no way to normalise pixels is called 'grey'"):
        PIXELS.find("grey")
