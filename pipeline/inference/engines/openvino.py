"""OpenVINO on a CPU: what its own kernels make of the same network, in bfloat16 where the chip has it."""

from importlib import import_module

import torch
from torch import Tensor

from pipeline.inference.engines.engine import Answers, EngineSetup, Size
from pipeline.inference.engines.traced import Traced, example, tracing

_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}


class OpenVino:
    """The engine "openvino". A size not seen before costs 5 to 30 ms once, so none is padded."""

    pads = False

    def __init__(self, setup: EngineSetup) -> None:
        """Takes over the setup's network."""
        openvino = import_module("openvino")
        # By the front end itself: `openvino.convert_model` does the same in seconds, and reports its use to the vendor.
        front = import_module("openvino.frontend").FrontEndManager().load_by_framework("pytorch")
        with tracing():
            network = Traced(setup.network, setup.normalisation).eval()
            traced = torch.jit.trace(network, example(), check_trace=False)  # type: ignore[no-untyped-call]
            # The model may share the weights that the decoder holds.
            self._decoder = import_module("openvino.frontend.pytorch.ts_decoder").TorchScriptPythonDecoder(traced)
            model = front.convert(front.load(self._decoder))
        model.reshape({model.inputs[0]: openvino.PartialShape([-1, -1, -1, 3])})
        how = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[setup.dtype],
            "INFERENCE_NUM_THREADS": setup.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Threads bound to the first cores would meet those of the other workers there.
            "ENABLE_CPU_PINNING": False,
        }
        self._request = openvino.Core().compile_model(model, "CPU", how).create_infer_request()
        self._outputs = len(model.outputs)

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None, alone: Size = None) -> Answers:
        """Returns the answers, see `Engine`; they are overwritten by the next call."""
        found = self._request.infer([pixels.contiguous().numpy()], share_inputs=True, share_outputs=True)
        return tuple(torch.from_numpy(found[number]) for number in range(self._outputs))
