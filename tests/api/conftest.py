from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.data.images import encode_png
from pipeline.models.weights import save_bytes
from tests.inference.networks import lively_file, lively_ranker
from tests.stages.world import drawn_image


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained detector whose answers vary from place to place."""
    return lively_file(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def ranker_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ranker that corrects by random numbers."""
    with torch.random.fork_rng():
        ranker = lively_ranker("roi_mobilenet")
    file = tmp_path_factory.mktemp("ranker") / "ranker.safetensors"
    file.write_bytes(save_bytes("roi_mobilenet", ranker))
    return file


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photo.png"
    file.write_bytes(encode_png(drawn_image(4)))
    return file
