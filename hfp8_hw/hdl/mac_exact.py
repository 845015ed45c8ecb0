"""The multiply-accumulate unit with a fixed-point accumulator."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, ShapeLike, Signal, Value, unsigned

from ..parameters import MacParameters
from .align import place_words, shift_within_word
from .fixed_sum import Addend, Item, fixed_sum, sum_cuts, tree_level
from .pipeline import Pipeline, Register, registered_cuts
from .raw import any_of, is_const, wire
from .round import Rounder
from .scaled import Scaled, product, unpack_scaled
from .serial_total import FinishedSum, SerialTotal
from .shape import Amaranth
from .stream_unit import StreamUnit, operand_fields, result_fields

_CUTS = ("place", "shift", "product", "unpack", "input")


class ExactMac(StreamUnit):
    """Sums products exactly in fixed point, one product every clock.

    Golden function: `hfp8_hw.golden.dot`, or `hfp8_hw.golden.fixed_dot` for ``acc=fixed``.
    ``first`` starts a sum whatever came before, ``last`` ends it and puts out the result; the
    item after a ``last`` starts a sum by itself. Biases must be the same for all items of a sum.

    ``acc=fixed`` puts out the sum itself, ``latency`` clocks after the ``last`` item. Else a
    bit-serial back end rounds the sums (``exact``) or the chunks' sums and adds those up
    (``exact_chunk``); sums or chunks that end more often than every ``parameters.rest`` clocks
    wait for it.

    Members
    -------
    i : stream of ``a``, ``b`` (codes), ``mode_a``, ``mode_b`` (for HFP8 operands), ``bias_a``,
        ``bias_b`` (``bias=runtime``), ``first``, ``last``
    o : stream of ``y`` (code of ``acc``, or the fixed-point sum), ``flags`` (overflow, underflow,
        inexact, invalid; each ORed over all roundings of the sum)
    """

    def __init__(self, parameters: MacParameters) -> None:
        self.parameters = p = parameters
        inputs = _operand_fields(p) | {"first": unsigned(1), "last": unsigned(1)}
        if p.is_fixed:
            outputs = {"y": unsigned(p.fixed.width), "flags": unsigned(4)}
        else:
            outputs = result_fields(p.acc_format)
        super().__init__(inputs, outputs)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        cuts = [
            *registered_cuts(p.stages - 1, _CUTS),
            *(f"tree{k}" for k in range((p.products - 1).bit_length())),
            *sum_cuts(p.segments),
        ]
        pipe = Pipeline(m, self.i.valid, cuts)
        m.d.comb += self.i.ready.eq(pipe.ready)
        cut = pipe.cut("input")
        item = {name: cut(name, Value.cast(self.i.payload[name])) for name in self.inputs}
        frame = {name: item[name] for name in ("first", "last")}
        config = {}
        if "bias_a" in item and not p.is_fixed:
            config["bias"] = wire(m, item["bias_a"] + item["bias_b"], "bias_sum")
        pairs = [self._operands(m, item, tag) for tag in _tags(p)]
        cut = pipe.cut("unpack")
        pairs = [
            tuple(v.through(_prefixed(cut, f"{n}{tag}_")) for n, v in zip("ab", pair, strict=True))
            for tag, pair in zip(_tags(p), pairs, strict=True)
        ]
        frame, config = _through(cut, frame), _through(cut, config)
        terms = [product(m, x, y, f"p{tag}") for tag, (x, y) in zip(_tags(p), pairs, strict=True)]
        cut = pipe.cut("product")
        terms = [
            (term.through(_prefixed(cut, f"p{tag}_")), cut(f"invalid{tag}", invalid))
            for tag, (term, invalid) in zip(_tags(p), terms, strict=True)
        ]
        frame, config = _through(cut, frame), _through(cut, config)
        notes = self._notes(terms)
        coarse = [
            shift_within_word(m, term, p.fixed, f"p{tag}")
            for tag, (term, _) in zip(_tags(p), terms, strict=True)
        ]
        cut = pipe.cut("shift")
        coarse = [
            part.through(_prefixed(cut, f"p{tag}_"))
            for tag, part in zip(_tags(p), coarse, strict=True)
        ]
        frame, config, notes = (_through(cut, what) for what in (frame, config, notes))
        width = p.fixed.width if p.products == 1 else p.fixed.reach + 1
        addends = [
            Addend(place_words(m, part, p.fixed, width, f"p{tag}"), part.carry)
            for tag, part in zip(_tags(p), coarse, strict=True)
        ]
        level = 0
        while len(addends) > 1:
            cut = pipe.cut(f"tree{level}")
            frame, config, notes = (_through(cut, what) for what in (frame, config, notes))
            addends = tree_level(m, cut, addends, p.fixed.width, level)
            level += 1
        added = Item(addends[0], frame["first"], frame["last"], notes, config)
        chunk = p.chunk_clocks if p.semantics == "exact_chunk" else None
        self._finish(m, pipe, *fixed_sum(m, pipe, added, chunk, p.fixed.width, p.segments))
        return m

    def _operands(self, m: Module, item: dict[str, Amaranth], tag: str) -> tuple[Scaled, ...]:
        p = self.parameters
        return tuple(
            unpack_scaled(
                m, item[f"{n}{tag}"], formats, scale, name=f"{n}{tag}", mode=item.get(f"mode_{n}")
            )
            for n, formats, scale in (("a", p.a_formats, p.fixed.a), ("b", p.b_formats, p.fixed.b))
        )

    def _notes(self, terms: list[tuple[Scaled, Amaranth]]) -> dict[str, Amaranth]:
        """What a fixed-point sum cannot hold, of all products of a clock."""
        products = [term for term, _ in terms]
        notes = {
            "nan": any_of(*(t.nan for t in products)),
            "invalid": any_of(*(invalid for _, invalid in terms)),
        }
        if not is_const(products[0].inf):
            notes["plus_inf"] = any_of(*(t.inf & ~t.sign for t in products))
            notes["minus_inf"] = any_of(*(t.inf & t.sign for t in products))
        p = self.parameters
        if not p.is_fixed and p.rounding_mode.mode == "RDN":
            # A product that is cut off to nothing counts as +0.
            notes["minus_zero"] = any_of(
                *(
                    t.sign & any_of(t.zero, t.sig == 0)
                    if p.drop
                    else t.sign | ~any_of(t.zero, t.sig == 0)
                    for t in products
                )
            )
        return notes

    def _finish(
        self,
        m: Module,
        pipe: Pipeline,
        end: Amaranth,
        total: Amaranth,
        extra: dict[str, Amaranth],
    ) -> None:
        """Hold finished sums, and put them out or hand them to the back end."""
        p, o = self.parameters, self.o
        valid = Signal(name="held_valid")
        taken = Signal(name="held_taken")
        # The back end takes its time anyway: there the stall need not wait for `taken`.
        full = valid & ~taken if p.is_fixed else valid
        pipe.finish(~(end & full))
        capture = wire(m, pipe.ready & pipe.valid & end, "capture")
        with m.If(capture):
            m.d.sync += valid.eq(1)
        with m.Elif(taken):
            m.d.sync += valid.eq(0)
        never = Const(0, 1)
        names = ("nan", "invalid", "plus_inf", "minus_inf")
        lost = any_of(*(extra.get(name, never) for name in names))

        def held(name: str, value: Amaranth) -> Amaranth:
            if is_const(value):
                return value
            register = Signal(value.shape(), name=f"held_{name}", reset_less=True)
            with m.If(capture):
                m.d.sync += register.eq(value)
            return register

        if p.is_fixed:
            y, flag = held("total", total), held("lost", lost)
            if not is_const(lost):
                # A sum that was lost to NaN or infinity is put out as 0.
                with m.If(capture & lost):
                    m.d.sync += y.eq(0)
            m.d.comb += [
                o.valid.eq(valid),
                taken.eq(o.ready),
                o.payload.y.eq(y),
                o.payload.flags.eq(Cat(Const(0, 3), flag)),
            ]
            return
        total = held("total", total)
        extra = {name: held(name, value) for name, value in extra.items()}
        nan, invalid = extra["nan"], extra["invalid"]
        plus_inf, minus_inf = extra.get("plus_inf", never), extra.get("minus_inf", never)
        back = SerialTotal(
            Rounder(p.acc_format, p.rounding_mode, p.overflow),
            p.fixed,
            p.rate,
            add=p.semantics == "exact_chunk",
        )
        finished = FinishedSum(
            valid, total, nan, plus_inf, minus_inf, invalid,
            extra.get("minus_zero", never), extra.get("bias"),
            extra.get("opening", never), extra.get("last", never),
        )  # fmt: skip
        m.d.comb += taken.eq(back.build(m, finished, o))


def _through(cut: Register, values: dict[str, Amaranth]) -> dict[str, Amaranth]:
    """Values by name, each passed through a register of a cut."""
    return {name: cut(name, value) for name, value in values.items()}


def _prefixed(cut: Register, prefix: str) -> Register:
    """The register of a cut, with a prefix to its names."""
    return lambda name, value: cut(f"{prefix}{name}", value)


def _tags(p: MacParameters) -> list[str]:
    """What tells the lanes' names apart."""
    return [""] if p.products == 1 else [str(k) for k in range(p.products)]


def _operand_fields(p: MacParameters) -> dict[str, ShapeLike]:
    """The payload fields of the operands: codes lane by lane, one mode and bias for all."""
    fields: dict[str, ShapeLike] = {}
    bias = p.bias == "runtime"
    for name, formats in (("a", p.a_formats), ("b", p.b_formats)):
        own = operand_fields(name, formats, f"mode_{name}", f"bias_{name}" if bias else None)
        code = own.pop(name)
        fields |= {f"{name}{tag}": code for tag in _tags(p)} | own
    return fields
