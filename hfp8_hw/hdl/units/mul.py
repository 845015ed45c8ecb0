"""The multiplier."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, unsigned

from ...parameters import FpMulParameters, MulParameters
from ..numbers.multiply import multiply
from ..numbers.pipeline import Pipeline, prefixed, registered_cuts
from ..numbers.raw import Raw, with_offset
from ..numbers.round import Rounder
from ..numbers.shape import Amaranth
from ..numbers.stream_unit import (
    Operands,
    StreamUnit,
    field_value,
    result_fields,
    two_operand_fields,
)
from ..numbers.unpack import unpack

_CUTS = ("output", "product", "align", "unpack", "place", "input")


def product_stages(
    m: Module,
    pipe: Pipeline,
    payload: Any,
    p: Operands,
    also: tuple[str, ...],
    offset: int | None = None,
    tag: str = "",
) -> tuple[Raw, Amaranth, dict[str, Amaranth]]:
    """The cuts ``input``, ``unpack`` and ``product`` with a lane's multiplication between them.

    With ``offset`` that is the product's.

    Returns
    -------
    product : Raw
    invalid : 1 bit
    extra : dict
        The payload fields in ``also`` that there are, delayed alike.
    """
    cut = pipe.cut("input")
    fields = (f"a{tag}", "mode_a", "bias_a", f"b{tag}", "mode_b", "bias_b")
    item = {
        name: cut(name, value)
        for name in (*fields, *also)
        if (value := field_value(payload, name)) is not None
    }
    least = None if offset is None else offset - max(fmt.bias for fmt in p.b_formats)
    x, y = (
        unpack(
            m,
            item[f"{name}{tag}"],
            formats,
            name=f"{name}{tag}",
            mode=item.get(f"mode_{name}"),
            bias=item.get(f"bias_{name}"),
            offset=more,
        )
        for name, formats, more in (("a", p.a_formats, least), ("b", p.b_formats, None))
    )
    cut = pipe.cut("unpack")
    x, y = x.through(prefixed(cut, f"a{tag}_")), y.through(prefixed(cut, f"b{tag}_"))
    extra = {name: cut(name, item[name]) for name in also if name in item}
    product, invalid = multiply(m, x, y, f"p{tag}")
    if offset is not None:
        product = with_offset(m, product, offset, f"p{tag}")
    cut = pipe.cut("product")
    product = product.through(prefixed(cut, f"p{tag}_"))
    invalid = cut(f"invalid{tag}", invalid)
    return product, invalid, {name: cut(name, value) for name, value in extra.items()}


class Mul(StreamUnit):
    """Multiplies two codes.

    Golden function: `hfp8_hw.golden.mul`. One product a clock, ``stages`` clocks latency.

    Members
    -------
    i : stream of ``a``, ``b`` (codes), ``mode_a``, ``mode_b`` (for HFP8 operands), ``bias_a``,
        ``bias_b`` (``bias=runtime``), ``rbits`` (``SR(n)``)
    o : stream of ``y`` (code of ``out``), ``flags`` (overflow, underflow, inexact, invalid)
    """

    units = ("mul", "fp_mul")

    def __init__(self, parameters: MulParameters | FpMulParameters) -> None:
        self.parameters = self.checked(parameters)
        inputs = two_operand_fields(parameters)
        if parameters.rounding_mode.mode == "SR":
            inputs["rbits"] = unsigned(parameters.rounding_mode.sr_bits)
        super().__init__(inputs, result_fields(parameters.out_format))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        pipe = Pipeline(m, self.i.valid, registered_cuts(p.stages, _CUTS))
        product, invalid, extra = product_stages(m, pipe, self.i.payload, p, ("rbits",))
        y = Rounder(p.out_format, p.rounding_mode, p.overflow).build(
            m,
            product,
            name="y",
            invalid=invalid,
            rbits=extra.get("rbits"),
            cut=pipe.cut,
        )
        self.put_out(m, pipe, y.code, y.flags)
        return m
