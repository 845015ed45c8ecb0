"""From operands to the exact sum of an item's products in fixed point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module

from ..parameters import MacParameters
from .align import place_words, shift_within_word
from .fixed_sum import Addend, tree_level
from .mul import lane_tags
from .pipeline import Pipeline, prefixed
from .raw import any_of, is_const, wire
from .scaled import Scaled, product, unpack_scaled
from .shape import Amaranth
from .stream_unit import field_value


def exact_products(
    m: Module,
    pipe: Pipeline,
    payload: Any,
    p: MacParameters,
    more_notes: Callable[[list[Scaled]], dict[str, Amaranth]],
) -> Addend:
    """The cuts ``input``, ``unpack``, ``product``, ``shift`` and ``tree0`` ..., and all between.

    ``pipe.carried`` then holds ``first``, ``last``, with run-time biases ``bias`` (their sum), and
    single bits about the item's products: ``nan``, ``invalid``, with formats that have infinities
    ``plus_inf`` and ``minus_inf``, and those that ``more_notes`` gives of them.
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
    pairs = [
        tuple(
            unpack_scaled(
                m, item[f"{n}{tag}"], formats, scale, name=f"{n}{tag}", mode=item.get(f"mode_{n}")
            )
            for n, formats, scale in (("a", p.a_formats, p.fixed.a), ("b", p.b_formats, p.fixed.b))
        )
        for tag in tags
    ]
    cut = pipe.cut("unpack")
    pairs = [
        tuple(v.through(prefixed(cut, f"{n}{tag}_")) for n, v in zip("ab", pair, strict=True))
        for tag, pair in zip(tags, pairs, strict=True)
    ]
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
    coarse = [
        shift_within_word(m, term, p.fixed, f"p{tag}")
        for tag, term in zip(tags, products, strict=True)
    ]
    cut = pipe.cut("shift")
    coarse = [
        part.through(prefixed(cut, f"p{tag}_")) for tag, part in zip(tags, coarse, strict=True)
    ]
    width = p.fixed.width if len(tags) == 1 else p.fixed.reach + 1
    addends = [
        Addend(place_words(m, part, p.fixed, width, f"p{tag}"), part.carry)
        for tag, part in zip(tags, coarse, strict=True)
    ]
    level = 0
    while len(addends) > 1:
        addends = tree_level(m, pipe.cut(f"tree{level}"), addends, p.fixed.width, level)
        level += 1
    return addends[0]
