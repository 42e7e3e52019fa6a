"""An exported file as another program runs it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def run_onnx(file: Path, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Returns the outputs of an exported file for images float32 [B, 3, H, W], on one CPU thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})
