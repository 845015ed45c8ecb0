"""Rounding by ONNX's standard operators.

ONNX has E4M3FN, E5M2 and INT8: `QuantizeLinear` and `DequantizeLinear` round to them. It has
neither (1,4,3) with another bias nor (1,6,9), so each of these formats becomes a function of the
model, ``hfp8.Round_HFP8_FWD`` say, whose body is standard operators alone and rounds FP32 values to
the same bits as the units do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import FunctionProto, NodeProto, TensorProto, helper, numpy_helper

from ...formats import FloatFormat, parse_format
from ..scheme.arithmetic import INT8
from .rounders import WIDE

DOMAIN = "hfp8"
OPSET = 20
TYPES = {
    INT8: TensorProto.INT8,
    "E4M3FN": TensorProto.FLOAT8E4M3FN,
    "E5M2": TensorProto.FLOAT8E5M2,
    "E4M3FNUZ": TensorProto.FLOAT8E4M3FNUZ,
    "E5M2FNUZ": TensorProto.FLOAT8E5M2FNUZ,
}
"""The kinds that ONNX has a type of."""


def function_name(kind: str) -> str:
    """The function that rounds to a format."""
    return "Round_" + "".join(c if c.isalnum() else "_" for c in kind)


class _Body:
    """Nodes of a function, one after another."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []

    def op(self, kind: str, *given: str, **attributes: Any) -> str:
        """A node; the name of what it gives."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, given, [name], **attributes))
        return name

    def number(self, value: float) -> str:
        """A binary32 constant."""
        single = np.float32(value)
        assert np.isnan(value) or float(single) == value, value
        return self.op("Constant", value=numpy_helper.from_array(np.array(single)))


def rounding_function(kind: str) -> FunctionProto:
    """The function that rounds FP32 values to a format and gives them as FP32 values.

    To nearest; sums, (1,6,9), with ties away from zero and NaN for what overflows, other formats
    with ties to even, saturating. NaN stays NaN.

    The unit of a magnitude s, the power of two that is not above it, is |q - (1 - 2**-24) q| with
    q = (2**23 + 1) s, each operation in binary32 (S. M. Rump, "Error estimation of floating-point
    summation and dot product", BIT 52, 2012). Magnitudes are held within the format's range before.
    """
    fmt, body, sums = parse_format(kind), _Body(), kind == WIDE
    size = body.op("Abs", "x")
    beyond = _beyond(fmt)
    most = body.number(beyond if sums else fmt.max)
    held = body.op("Clip", size, body.number(fmt.min_normal), most)
    spread = body.op("Mul", held, body.number(2.0**23 + 1))
    shrunk = body.op("Mul", spread, body.number(1 - 2.0**-24))
    unit = body.op("Abs", body.op("Sub", spread, shrunk))
    step = body.op("Mul", unit, body.number(2.0**-fmt.man_bits))
    count = body.op("Div", body.op("Min", size, most), step)
    if sums:
        whole = body.op("Floor", body.op("Add", count, body.number(0.5)))
    else:
        whole = body.op("Round", count)
    magnitude = body.op("Mul", whole, step)
    if fmt.zero_exp != "gradual":  # Below the smallest value there is one decision.
        half, least = "GreaterOrEqual" if sums else "Greater", body.number(fmt.min)
        up = body.op("Cast", body.op(half, size, body.number(fmt.min / 2)), to=TensorProto.FLOAT)
        small = body.op("Mul", up, least)
        magnitude = body.op("Where", body.op("Less", size, least), small, magnitude)
    signed = body.op("Mul", magnitude, body.op("Sign", "x"))
    if sums:
        signed = body.op("Where", body.op("Less", size, body.number(beyond)), signed,
                         body.number(float("nan")))  # fmt: skip
    else:
        signed = body.op("Where", body.op("IsNaN", "x"), "x", signed)
    body.nodes.append(helper.make_node("Identity", [signed], ["y"]))
    return helper.make_function(
        DOMAIN, function_name(kind), ["x"], ["y"], body.nodes,
        [helper.make_opsetid("", OPSET)], doc_string=f"{fmt.literal}, {'RNA' if sums else 'RNE'}",
    )  # fmt: skip


def _beyond(fmt: FloatFormat) -> float:
    """The least magnitude that rounds, RNA, beyond the largest value."""
    below = fmt.max - fmt.value(fmt.max_code - 1)
    return fmt.max + below / 2


def rounding_nodes(node: NodeProto, kind: str, zero: str) -> list[NodeProto]:
    """What takes the place of a node that rounds: standard ones with its scale, where ONNX has the
    type, or a call of a function.

    Codes of floating-point types come from Div and Cast, which is what QuantizeLinear does: before
    a QuantizeLinear of such a type onnxruntime 1.32 drops a Relu when it optimizes.
    """
    out = node.output[0]
    codes, divided, whole = f"{out}_codes", f"{out}_divided", f"{out}_whole"
    if len(node.input) == 1:
        return [_call(kind, node.input[0], out, node.name)]
    x, scale = node.input
    divide = helper.make_node("Div", [x, scale], [divided], f"{node.name}_divide")
    if kind not in TYPES:
        multiply = helper.make_node("Mul", [whole, scale], [out], f"{node.name}_multiply")
        return [divide, _call(kind, divided, whole, node.name), multiply]
    if kind == INT8:
        first = [helper.make_node("QuantizeLinear", [x, scale, zero], [codes],
                                  f"{node.name}_quantize")]  # fmt: skip
    else:
        first = [
            divide,
            helper.make_node("Cast", [divided], [codes], f"{node.name}_cast", to=TYPES[kind]),
        ]
    last = helper.make_node("DequantizeLinear", [codes, scale, zero], [out],
                            f"{node.name}_dequantize")  # fmt: skip
    return [*first, last]


def _call(kind: str, x: str, out: str, name: str) -> NodeProto:
    return helper.make_node(function_name(kind), [x], [out], name, domain=DOMAIN)


def coded(name: str, codes: np.ndarray[Any, Any], kind: str) -> TensorProto:
    """Codes as a tensor of ONNX's type for the kind, or of UINT8."""
    raw = np.ascontiguousarray(codes)
    found = TensorProto()
    found.name, found.data_type = name, TYPES.get(kind, TensorProto.UINT8)
    found.dims.extend(raw.shape)
    found.raw_data = raw.tobytes()
    return found


def values(name: str, numbers: Sequence[float] | np.ndarray[Any, Any]) -> TensorProto:
    """Numbers as a tensor of binary32."""
    return numpy_helper.from_array(np.asarray(numbers, np.float32), name)
