"""Random generators that belong to an image and an epoch, not to the process that happens to draw from them."""

from __future__ import annotations

import hashlib

import numpy as np


def generator_for(seed: int, epoch: int, sample_id: str) -> np.random.Generator:
    """Returns the generator of one image in one epoch; the same three give the same numbers on any worker.

    The released code neither seeds its workers apart nor its epochs, so that all workers draw the same numbers and
    every epoch replays them (MogFace notes, difference 12); here no number of workers and no order of images changes
    anything.

    Args:
        seed: of the run, 0 or more.
        epoch: 0 or more; counted over resumed runs, or a resumed one would replay the first epochs.
        sample_id: name of the image; hashed, so that any text will do and Python's own hash has no say.

    Raises:
        ValueError: a negative seed or epoch.
    """
    if seed < 0 or epoch < 0:
        raise ValueError(f"seed is {seed} and epoch {epoch}, expected 0 or more")
    words = np.frombuffer(hashlib.blake2b(sample_id.encode(), digest_size=16).digest(), "<u4")
    return np.random.default_rng([seed, epoch, *words.tolist()])


def replayed_generator(seed: int, turn: int) -> np.random.Generator:
    """Returns the generator as the released code has it: told by how many images a worker has drawn this epoch.

    Every worker and every epoch start again at turn 0, so that the same few thousand crops come back for ever; for
    measuring what that costs, never a default.

    Args:
        seed: of the run, 0 or more.
        turn: images drawn by this worker in this epoch so far.
    """
    return np.random.default_rng([seed, turn])
