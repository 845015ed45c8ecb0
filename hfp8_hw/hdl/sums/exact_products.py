"""From operands to the exact sum of an item's products in fixed point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module

from ...fixed import Scale
from ...parameters import MacParameters
from ..numbers.pipeline import Pipeline, Register, prefixed
from ..numbers.raw import any_of, is_const, wire
from ..numbers.shape import Amaranth, FixedShape
from ..numbers.stream_unit import field_value, lane_tags
from .align import (
    in_fixed_point,
    place_words,
    shift_within_word,
    shifted_by_word,
    shifted_within_word,
)
from .fixed_sum import Addend, tree_level
from .scaled import Scaled, from_fixed, product, unpack_scaled

Pair = tuple[Scaled, Scaled]
GRID_STEPS = (("half", shifted_by_word), ("shift", in_fixed_point))
"""With ``align=dsp``: cuts, and what sets an operand on its grid in front of each."""


def exact_products(
    m: Module,
    pipe: Pipeline,
    payload: Any,
    p: MacParameters,
    more_notes: Callable[[list[Scaled]], dict[str, Amaranth]],
) -> Addend:
    """The cuts ``input``, ``unpack``, ``product``, ``shift`` and ``tree0`` ..., and all between.

    With ``align=dsp`` the operands are set on their grids, ``half``, ``shift`` and ``operand``,
    the input register of a DSP block, come before ``product``, and a multiplication puts the
    product in its place. With ``operands=fixed`` they come so.

    ``pipe.carried`` then holds ``first``, ``last``, with run-time biases ``bias`` (their sum), and
    single bits about the item's products: ``nan``, ``invalid``, with formats that have infinities
    ``plus_inf`` and ``minus_inf``, and those that ``more_notes`` gives of them (of which
    ``minus_zero`` is set anew where products are cut off).
    """
    tags = lane_tags(p)
    cut = pipe.cut("input")
    names = [f"{n}{tag}" for n in "ab" for tag in tags]
    names += ["mode_a", "mode_b", "bias_a", "bias_b", "first", "last"]
    item = {
        name: cut(name, value)
        for name in names
        if (value := field_value(payload, name)) is not None
    }
    pipe.carried = {name: item[name] for name in ("first", "last")}
    if "bias_a" in item:
        pipe.carried["bias"] = wire(m, item["bias_a"] + item["bias_b"], "bias_sum")
    dsp = p.align == "dsp"

    def unpacked(n: str, tag: str) -> Scaled:
        formats, scale = (p.a_formats, p.fixed.a) if n == "a" else (p.b_formats, p.fixed.b)
        name, mode = f"{n}{tag}", item.get(f"mode_{n}")
        if p.operands == "fixed":
            return from_fixed(item[name], FixedShape(formats[0]))
        x = unpack_scaled(m, item[name], formats, scale, name=name, mode=mode, explicit=dsp)
        return shifted_within_word(m, x, name) if dsp else x

    pairs = [(unpacked("a", tag), unpacked("b", tag)) for tag in tags]
    if p.operands == "codes":
        pairs = _through(pipe.cut("unpack"), tags, pairs)
    if dsp and p.operands == "codes":
        for place, step in GRID_STEPS:
            pairs = [
                (step(m, x, p.fixed.a, f"a{tag}"), step(m, y, p.fixed.b, f"b{tag}"))
                for tag, (x, y) in zip(tags, pairs, strict=True)
            ]
            pairs = _through(pipe.cut(place), tags, pairs)
    if dsp:
        pairs = _through(pipe.cut("operand"), tags, pairs)
    return summed_products(m, pipe, pairs, p, more_notes)


def on_grid(m: Module, pipe: Pipeline, x: Scaled, scale: Scale, name: str) -> Scaled:
    """One operand alone as `exact_products` has it with ``align=dsp``, from its explicit
    significand to behind the cut ``operand``; ``unpack``, ``half`` and ``shift`` come before."""
    x = shifted_within_word(m, x, name).through(prefixed(pipe.cut("unpack"), f"{name}_"))
    for place, step in GRID_STEPS:
        x = step(m, x, scale, name).through(prefixed(pipe.cut(place), f"{name}_"))
    return x.through(prefixed(pipe.cut("operand"), f"{name}_"))


def summed_products(
    m: Module,
    pipe: Pipeline,
    pairs: list[Pair],
    p: MacParameters,
    more_notes: Callable[[list[Scaled]], dict[str, Amaranth]],
) -> Addend:
    """The part of `exact_products` behind the operands: from cut ``product`` on.

    ``pipe.carried`` gets the bits about the products.
    """
    tags, dsp = lane_tags(p), p.align == "dsp"
    terms = [product(m, x, y, f"p{tag}") for tag, (x, y) in zip(tags, pairs, strict=True)]
    cut = pipe.cut("product")
    products = [
        term.through(prefixed(cut, f"p{tag}_")) for tag, (term, _) in zip(tags, terms, strict=True)
    ]
    invalid = [cut(f"invalid{tag}", bad) for tag, (_, bad) in zip(tags, terms, strict=True)]
    pipe.carried |= {
        "nan": any_of(*(t.nan for t in products)),
        "invalid": any_of(*invalid),
        **more_notes(products),
    }
    if not is_const(products[0].inf):
        pipe.carried["plus_inf"] = any_of(*(t.inf & ~t.sign for t in products))
        pipe.carried["minus_inf"] = any_of(*(t.inf & t.sign for t in products))
    if dsp:
        addends = [Addend(t.sig[p.drop :], t.sign, magnitude=True) for t in products]
    else:
        addends = _placed(m, pipe, p, tags, products)
    if p.drop and "minus_zero" in pipe.carried:
        # What is cut off to nothing counts as +0, and so does every zero.
        left = [a.bits if a.magnitude else a.bits ^ a.carry.replicate(len(a.bits)) for a in addends]
        pipe.carried["minus_zero"] = any_of(*(bits.any() for bits in left))
    level = 0
    while len(addends) > 1:
        addends = tree_level(m, pipe.cut(f"tree{level}"), addends, p.fixed.width, level)
        level += 1
    return addends[0]


def _through(cut: Register, tags: list[str], pairs: list[Pair]) -> list[Pair]:
    """All operands through a cut."""
    return [
        (x.through(prefixed(cut, f"a{tag}_")), y.through(prefixed(cut, f"b{tag}_")))
        for tag, (x, y) in zip(tags, pairs, strict=True)
    ]


def _placed(
    m: Module, pipe: Pipeline, p: MacParameters, tags: list[str], products: list[Scaled]
) -> list[Addend]:
    """The products set on the grid by LUTs, around the cut ``shift``."""
    coarse = [
        shift_within_word(m, term, p.fixed, f"p{tag}")
        for tag, term in zip(tags, products, strict=True)
    ]
    cut = pipe.cut("shift")
    coarse = [
        part.through(prefixed(cut, f"p{tag}_")) for tag, part in zip(tags, coarse, strict=True)
    ]
    width = p.fixed.width if len(tags) == 1 else p.fixed.reach + 1
    return [
        Addend(place_words(m, part, p.fixed, width, f"p{tag}"), part.carry)
        for tag, part in zip(tags, coarse, strict=True)
    ]
