"""The multiplier."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, unsigned

from ..parameters import FpMulParameters, MacParameters, MulParameters
from .arithmetic import multiply
from .pipeline import Pipeline, registered_cuts
from .raw import Raw
from .round import Rounder
from .shape import Amaranth
from .stream_unit import StreamUnit, field_value, operand_fields, result_fields
from .unpack import unpack

Operands = MulParameters | MacParameters | FpMulParameters
_CUTS = ("output", "product", "align", "unpack", "place", "input")
_FIELDS = ("a", "mode_a", "bias_a", "b", "mode_b", "bias_b")


def two_operand_fields(p: Operands) -> dict[str, Any]:
    """The payload fields of operands a and b."""
    runtime = p.bias == "runtime"
    return {
        **operand_fields("a", p.a_formats, "mode_a", "bias_a" if runtime else None),
        **operand_fields("b", p.b_formats, "mode_b", "bias_b" if runtime else None),
    }


def product_stages(
    m: Module, pipe: Pipeline, payload: Any, p: Operands, also: tuple[str, ...]
) -> tuple[Raw, Amaranth, dict[str, Amaranth]]:
    """The cuts ``input``, ``unpack`` and ``product`` with the multiplication between them.

    Returns
    -------
    product : Raw
    invalid : 1 bit
    extra : dict
        The payload fields in ``also`` that there are, delayed alike.
    """
    cut = pipe.cut("input")
    item = {
        name: cut(name, value)
        for name in (*_FIELDS, *also)
        if (value := field_value(payload, name)) is not None
    }
    x, y = (
        unpack(
            m,
            item[name],
            formats,
            name=name,
            mode=item.get(f"mode_{name}"),
            bias=item.get(f"bias_{name}"),
        )
        for name, formats in (("a", p.a_formats), ("b", p.b_formats))
    )
    cut = pipe.cut("unpack")
    x = x.through(lambda name, value: cut(f"a_{name}", value))
    y = y.through(lambda name, value: cut(f"b_{name}", value))
    extra = {name: cut(name, item[name]) for name in also if name in item}
    product, invalid = multiply(m, x, y, "p", gated=isinstance(p, MacParameters))
    cut = pipe.cut("product")
    product = product.through(lambda name, value: cut(f"p_{name}", value))
    invalid = cut("invalid", invalid)
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

    def __init__(self, parameters: MulParameters | FpMulParameters) -> None:
        self.parameters = parameters
        inputs = two_operand_fields(parameters)
        if parameters.rounding_mode.mode == "SR":
            inputs["rbits"] = unsigned(parameters.rounding_mode.sr_bits)
        super().__init__(inputs, result_fields(parameters.out_format))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        pipe = Pipeline(m, self.i.valid, registered_cuts(p.stages, _CUTS))
        product, invalid, extra = product_stages(m, pipe, self.i.payload, p, ("rbits",))
        code, flags = Rounder(p.out_format, p.rounding_mode, p.overflow).build(
            m,
            product,
            name="y",
            invalid=invalid,
            rbits=extra.get("rbits"),
            cut=pipe.cut,
        )
        self.put_out(m, pipe, code, flags)
        return m
