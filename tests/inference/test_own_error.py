"""What is wrong with one image is returned; what is wrong with the device is raised."""

import weakref

import numpy as np
import pytest
import torch

from pipeline.inference.own_error import error_text, or_own_error


def test_a_result_is_handed_on() -> None:
    assert or_own_error(lambda: 3) == 3


def test_a_lack_of_memory_and_a_wrong_value_are_the_images_own() -> None:
    lacking = or_own_error(lambda: torch.empty(2**50, dtype=torch.uint8))
    assert isinstance(lacking, RuntimeError)
    assert error_text(lacking).startswith("RuntimeError: ") and "memory" in error_text(lacking)
    wrong = or_own_error(lambda: np.zeros(3).reshape(2, 2))
    assert isinstance(wrong, ValueError)
    assert error_text(wrong) == "ValueError: cannot reshape array of size 3 into shape (2,2)"


def test_a_broken_device_ends_it() -> None:
    def broken() -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        or_own_error(broken)


def test_an_error_does_not_keep_its_image() -> None:
    def fail(image: np.ndarray) -> None:
        raise ValueError(f"{image.shape}")

    image = np.zeros((2, 2))
    kept = weakref.ref(image)
    problem = or_own_error(lambda image=image: fail(image))
    del image
    assert str(problem) == "(2, 2)" and kept() is None
