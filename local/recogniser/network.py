"""EfficientNet-Lite0 as an ONNX graph: ReLU6 throughout, no squeeze-and-excite, batch norms folded in.

Architecture: Tan and Le, "EfficientNet" (ICML 2019), in the Lite variant of the TensorFlow TPU repository.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from local.recogniser.weights import Array

INPUT: Final = "image"
OUTPUT: Final = "probabilities"
INPUT_SIZE: Final = 224
CLASSES: Final = 1000

_BATCH_NORM_EPSILON: Final = 1e-3
_OPSET: Final = 17


@dataclass(frozen=True, slots=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expands: bool


_STAGES: Final = (
    _Stage(1, 3, 1, expands=False),
    _Stage(2, 3, 2, expands=True),
    _Stage(2, 5, 2, expands=True),
    _Stage(3, 3, 2, expands=True),
    _Stage(3, 5, 1, expands=True),
    _Stage(4, 5, 2, expands=True),
    _Stage(1, 3, 1, expands=True),
)


def build_network(weights: dict[str, Array]) -> onnx.ModelProto:
    """The graph with its weights inside: input `image` (1, 3, 224, 224), output `probabilities` (1, 1000)."""
    graph = _Graph(weights)
    at = graph.convolve(INPUT, "_conv_stem", "_bn0", stride=2)
    block = 0
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            at = graph.inverted_residual(
                at, f"_blocks.{block}", stage, stride=stage.stride if repeat == 0 else 1, adds_input=repeat > 0
            )
            block += 1
    at = graph.convolve(at, "_conv_head", "_bn1", stride=1)
    at = graph.node("GlobalAveragePool", [at])
    at = graph.node("Flatten", [at])
    at = graph.node("Gemm", [at, graph.constant(weights["_fc.weight"]), graph.constant(weights["_fc.bias"])], transB=1)
    graph.node("Softmax", [at], output=OUTPUT, axis=1)
    return graph.model()


class _Graph:
    def __init__(self, weights: dict[str, Array]) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def node(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, value: Array) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def convolve(
        self, source: str, convolution: str, norm: str, *, stride: int, depthwise: bool = False, bounded: bool = True
    ) -> str:
        """A convolution, its batch norm folded in, and ReLU6 if `bounded`."""
        kernel = self._weights[f"{convolution}.weight"].astype(np.float64)
        mean, variance, scale, shift = (
            self._weights[f"{norm}.{part}"].astype(np.float64)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        factor = scale / np.sqrt(variance + _BATCH_NORM_EPSILON)
        at = self.node(
            "Conv",
            [source, self.constant(kernel * factor[:, None, None, None]), self.constant(shift - mean * factor)],
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride, stride],
            auto_pad="SAME_UPPER",
            group=kernel.shape[0] if depthwise else 1,
        )
        if not bounded:
            return at
        return self.node("Clip", [at, self.constant(np.array(0.0)), self.constant(np.array(6.0))])

    def inverted_residual(self, source: str, name: str, stage: _Stage, *, stride: int, adds_input: bool) -> str:
        at = source
        if stage.expands:
            at = self.convolve(at, f"{name}._expand_conv", f"{name}._bn0", stride=1)
        at = self.convolve(at, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, depthwise=True)
        at = self.convolve(at, f"{name}._project_conv", f"{name}._bn2", stride=1, bounded=False)
        return self.node("Add", [at, source]) if adds_input else at

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            "efficientnet-lite0",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 3, INPUT_SIZE, INPUT_SIZE])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, CLASSES])],
            initializer=self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)
        onnx.checker.check_model(model)
        return model
