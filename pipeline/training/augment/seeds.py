"""Random generators that depend on an image and an epoch, not on the process that uses them."""

from __future__ import annotations

import hashlib

import numpy as np


def generator_for(seed: int, epoch: int, sample_id: str) -> np.random.Generator:
    """Returns the generator of one image in one epoch, the same on any worker and in any order of images.

    Args:
        seed: of the run, 0 or more.
        epoch: 0 or more; counted over resumed runs, or a resumed one would repeat the first epochs.
        sample_id: name of the image; hashed, as Python's own hash differs between processes.

    Raises:
        ValueError: a negative seed or epoch.
    """
    if seed < 0 or epoch < 0:
        raise ValueError(f"seed is {seed} and epoch {epoch}, expected 0 or more")
    words = np.frombuffer(hashlib.blake2b(sample_id.encode(), digest_size=16).digest(), "<u4")
    return np.random.default_rng([seed, epoch, *words.tolist()])
