"""Rounds finished fixed-point sums, and adds them up in the accumulator's format, bit-serially.

A chunk's sum is due once in a chunk's many clocks, so a few dozen LUTs that work on one bit a
clock do what a normaliser and a floating-point adder would need hundreds for:

1. the sum passes bit by bit through `Snapshots`, which normalises it, and is rounded;
2. it is compared with the total, and both pass bit by bit through a serial adder, the one with
   the smaller exponent ahead by the difference of the exponents; again snapshots normalise;
3. the one rounder rounds again, and that is the new total.

Step 1 of the next chunk goes on beside steps 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ...fixed import FixedPoint, scale
from ...formats import RUNTIME_BIAS_RANGE
from ..numbers.raw import Raw, any_of, choose, is_const, wire
from ..numbers.round import Rounder
from ..numbers.shape import Amaranth, at_least, less, range_shape
from .bit_serial import Snapshots, serial_add, serial_magnitude
from .scaled import unpack_scaled


@dataclass(frozen=True)
class FinishedSum:
    """A fixed-point sum that waits to be rounded.

    Members
    -------
    valid, total : the sum, two's complement
    nan, plus_inf, minus_inf, invalid : 1 bit, what was among the products
    minus_zero : 1 bit, whether a sum of zero is -0
    bias : signed, ``bias_a + bias_b``; None for static biases
    first, last : 1 bit, of the sums that are added up
    """

    valid: Amaranth
    total: Amaranth
    nan: Amaranth
    plus_inf: Amaranth
    minus_inf: Amaranth
    invalid: Amaranth
    minus_zero: Amaranth
    bias: Amaranth | None
    first: Amaranth
    last: Amaranth


class SerialTotal:
    """The hardware of this module's three steps.

    Parameters
    ----------
    rounder : Rounder
        To the accumulator's format.
    fixed : FixedPoint
        The geometry of the sums.
    rate : int
        Bits a clock in the first step: 1, 2 or 4.
    add : bool
        Whether sums are added up; else each is output for itself.
    """

    def __init__(self, rounder: Rounder, fixed: FixedPoint, rate: int, add: bool) -> None:
        self.rounder, self.fixed, self.rate, self.add = rounder, fixed, rate, add
        self.keep = rounder.fmt.man_bits + 2
        self.scaled = False

    def build(self, m: Module, item: FinishedSum, o: Any) -> Amaranth:
        """Connect to the output stream ``o``; returns whether ``item`` is taken."""
        take = Signal(name="serial_take")
        ready = Signal(name="rounded_ready")
        self.scaled = item.bias is not None
        done, raw, invalid, first, last = self._normalise(m, item, take, ready)
        if self.add:
            self._total(m, done, ready, raw, invalid, first, last, o)
        else:
            self._output(m, done, ready, raw, invalid, o)
        return take

    def _normalise(
        self, m: Module, item: FinishedSum, take: Amaranth, ready: Amaranth
    ) -> tuple[Amaranth, Raw, Amaranth, Amaranth, Amaranth]:
        """Step 1: (done, number, invalid, first, last), held until ``ready``."""
        width, rate = self.fixed.width, self.rate
        count = -(-(width - 1) // rate)
        # Positions count on the scale of the accumulator's exponent field.
        offset = self.rounder.fmt.bias
        lsb = self.fixed.lsb + offset
        busy, done = (
            Signal(name=f"serial_{name}", attrs={"stage": "serial"}) for name in ("busy", "done")
        )
        m.d.comb += take.eq(item.valid & ~busy & (~done | ready))

        def keep(name: str, value: Amaranth | None) -> Amaranth:
            if value is None or is_const(value):
                return value
            held = Signal(
                value.shape(), name=f"serial_{name}", reset_less=True, attrs={"stage": "serial"}
            )
            with m.If(take):
                m.d.sync += held.eq(value)
            return held

        nan, plus_inf, minus_inf, invalid, minus_zero = (
            keep(name, getattr(item, name))
            for name in ("nan", "plus_inf", "minus_inf", "invalid", "minus_zero")
        )
        bias, first, last = (
            keep("bias", item.bias),
            keep("first", item.first),
            keep("last", item.last),
        )
        negative = keep("negative", item.total[-1])

        left = Signal(count * rate, name="serial_left", reset_less=True, attrs={"stage": "serial"})
        position = Signal(
            range_shape(lsb, lsb + count * rate), name="serial_position", attrs={"stage": "serial"}
        )
        padded = Cat(item.total, item.total[-1].replicate(rate))[: count * rate]
        m.d.sync += left.eq(Mux(take, padded, left[rate:]))
        with m.If(take):
            m.d.sync += [busy.eq(1), position.eq(lsb)]
        with m.Else():
            m.d.sync += position.eq(position + rate)
        ending = wire(m, busy & (position == lsb + (count - 1) * rate), "serial_ending")
        with m.If(ending):
            m.d.sync += busy.eq(0)
        with m.If(ready):
            m.d.sync += done.eq(0)
        with m.If(ending):
            m.d.sync += done.eq(1)

        bits = serial_magnitude(m, left[:rate], negative, take, busy, "serial")
        shots = Snapshots(m, take, busy, bits, position, self.keep, "serial")
        clash = plus_inf & minus_inf
        if is_const(plus_inf):
            clash = Const(0, 1)
        infinite = any_of(plus_inf, minus_inf)
        if not is_const(infinite):
            infinite = wire(m, (plus_inf ^ minus_inf) & ~nan, "serial_inf")
            invalid = any_of(invalid, clash & ~nan)
        nan = any_of(nan, clash)
        exp: Amaranth = shots.exp
        low, high = self.fixed.lsb, self.fixed.lsb + count * rate
        if bias is not None:
            exp = wire(m, exp - bias, "serial_exp")
            low, high = low - 2 * RUNTIME_BIAS_RANGE[1], high - 2 * RUNTIME_BIAS_RANGE[0]
        zero = ~shots.found & ~any_of(nan, infinite)
        sign = negative
        if not is_const(infinite):
            sign = Mux(infinite, minus_inf, sign)
        sign = Mux(zero, minus_zero, sign) if not is_const(minus_zero) else sign
        raw = Raw(nan, infinite, zero, sign, exp, shots.sig, low, high, offset)
        return done, raw, invalid, first, last

    def _round(self, m: Module, raw: Raw, invalid: Amaranth) -> tuple[Amaranth, Amaranth]:
        """(code, flags) of ``raw``, two clocks later."""

        def register(name: str, value: Amaranth) -> Amaranth:
            if is_const(value):
                return value
            held = Signal(
                value.shape(), name=f"round_{name}", reset_less=True, attrs={"stage": "round"}
            )
            m.d.sync += held.eq(value)
            return held

        def cut(name: str) -> Any:
            return register if name == "align" else lambda _, value: value

        raw, invalid = raw.through(register), register("invalid_in", invalid)
        rounded = self.rounder.build(m, raw, name="rounded", invalid=invalid, cut=cut)
        return rounded.code, rounded.flags

    def _output(
        self, m: Module, done: Amaranth, ready: Amaranth, raw: Raw, invalid: Amaranth, o: Any
    ) -> None:
        """Sums one by one: round and output."""
        waiting, valid = (
            Signal(name="rounding", attrs={"stage": "round"}),
            Signal(name="o_held", attrs={"stage": "output"}),
        )
        placed = Signal(name="rounding_placed", attrs={"stage": "round"})
        free = ~valid | o.ready
        code, flags = self._round(m, raw, invalid)
        # The number stays where it is until its code is output.
        m.d.comb += ready.eq(waiting & free)
        m.d.sync += [placed.eq(done & ~ready), waiting.eq(placed & ~ready)]
        y = Signal(len(code), name="o_y_held", reset_less=True, attrs={"stage": "output"})
        y_flags = Signal(4, name="o_flags_held", reset_less=True, attrs={"stage": "output"})
        with m.If(o.ready):
            m.d.sync += valid.eq(0)
        with m.If(ready):
            m.d.sync += [valid.eq(1), y.eq(code), y_flags.eq(flags)]
        m.d.comb += [o.valid.eq(valid), o.payload.y.eq(y), o.payload.flags.eq(y_flags)]

    def _total(
        self,
        m: Module,
        done: Amaranth,
        ready: Amaranth,
        raw: Raw,
        invalid: Amaranth,
        first: Amaranth,
        last: Amaranth,
        o: Any,
    ) -> None:
        """Steps 2 and 3."""
        fmt = self.rounder.fmt
        total = Signal(fmt.width, name="total", attrs={"stage": "total"})
        part = Signal(fmt.width, name="part", reset_less=True, attrs={"stage": "total"})
        seen = Signal(4, name="total_flags", attrs={"stage": "total"})
        now_first = Signal(name="total_first", reset_less=True, attrs={"stage": "total"})
        now_last = Signal(name="total_last", reset_less=True, attrs={"stage": "total"})
        names = (
            "idle", "part0", "part", "compare", "distance", "load", "add", "sum", "total0", "total",
            "out",
        )  # fmt: skip
        state = Signal(len(names), init=1, name="total_state", attrs={"stage": "total"})
        at = {name: state[k] for k, name in enumerate(names)}

        def go(name: str) -> Any:
            return state.eq(1 << names.index(name))

        highest = fmt.max_code >> fmt.man_bits
        possible = not (is_const(raw.nan) and raw.high + fmt.bias + 1 < highest)
        added, clash, finished = self._add(m, total, part, at, possible)
        m.d.comb += ready.eq(at["idle"] & done)

        # The rounder's input: the chunk's sum, or the total's.
        pick = at["sum"]
        low, high = min(raw.low, added.low), max(raw.high, added.high)
        offset = self.rounder.fmt.bias
        exp = Signal(range_shape(low + offset, high + offset), name="pick_exp")
        m.d.comb += exp.eq(Mux(pick, added.exp, raw.exp))
        nan, inf, zero, sign = (
            choose(pick, getattr(added, n), getattr(raw, n)) for n in ("nan", "inf", "zero", "sign")
        )
        sig = wire(m, Mux(pick, added.sig, raw.sig), "pick_sig")
        picked = Raw(nan, inf, zero, sign, exp, sig, low, high, offset)
        bad = choose(pick, clash, invalid)
        code, flags = self._round(m, picked, bad)

        with m.If(ready):
            m.d.sync += [now_first.eq(first), now_last.eq(last), go("part0")]
        with m.If(at["part0"]):
            m.d.sync += go("part")
        with m.If(at["part"]):
            m.d.sync += [part.eq(code), go("compare")]
        with m.If(at["compare"]):
            m.d.sync += go("distance")
        with m.If(at["distance"]):
            m.d.sync += go("load")
        with m.If(at["load"]):
            m.d.sync += go("add")
        with m.If(at["add"] & finished):
            m.d.sync += go("sum")
        with m.If(at["sum"]):
            m.d.sync += go("total0")
        with m.If(at["total0"]):
            m.d.sync += go("total")
        with m.If(at["total"]):
            m.d.sync += go("idle")
            with m.If(now_last):
                m.d.sync += go("out")
        # A sum's first chunk is added to 0.
        with m.If(at["part0"] & now_first):
            m.d.sync += [total.eq(0), seen.eq(0)]
        with m.Else():
            with m.If(at["total"]):
                m.d.sync += total.eq(code)
            with m.If(at["part"] | at["total"]):
                m.d.sync += seen.eq(seen | flags)
        with m.If(at["out"] & o.ready):
            m.d.sync += go("idle")
        m.d.comb += [o.valid.eq(at["out"]), o.payload.y.eq(total), o.payload.flags.eq(seen)]

    def _add(
        self, m: Module, total: Amaranth, part: Amaranth, at: dict[str, Amaranth], possible: bool
    ) -> tuple[Raw, Amaranth, Amaranth]:
        """Step 2: (sum, invalid, finished); whether ``part`` is possibly NaN or infinite."""
        fmt = self.rounder.fmt
        sizes = scale((fmt,))
        digits = sizes.bits
        x = unpack_scaled(m, total, (fmt,), sizes, name="total", explicit=True)
        y = unpack_scaled(m, part, (fmt,), sizes, name="part", explicit=True)
        if not possible:
            y = replace(y, nan=Const(0, 1), inf=Const(0, 1))
        swap = Signal(name="total_swap", reset_less=True, attrs={"stage": "total"})
        with m.If(at["compare"]):
            m.d.sync += swap.eq(less(total[:-1], part[:-1]))
        large = wire(m, Mux(swap, y.shift, x.shift), "large_shift")
        small = wire(m, Mux(swap, x.shift, y.shift), "small_shift")

        # `place` counts up to 0, where the larger operand's lowest bit joins in; the smaller one's
        # joins before, by the difference of the exponents. Beyond `farthest` it is sticky anyway.
        farthest = digits + 3
        place = Signal(
            range_shape(-farthest - 1, digits + 1), name="place", attrs={"stage": "total"}
        )
        before = Signal(
            range_shape(-1 << len(x.shift), 0),
            name="place_before",
            reset_less=True,
            attrs={"stage": "total"},
        )
        m.d.sync += before.eq(small + Cat(~large, Const(1, 1)))  # small - large - 1
        finished = place == digits
        load, step = at["load"], at["add"]
        moving = Signal(name="small_moving", reset_less=True, attrs={"stage": "total"})
        least = (1 << (len(before) - 1)) - farthest
        with m.If(load):
            m.d.sync += moving.eq(~at_least(Cat(before[:-1], ~before[-1]), least))
        with m.Elif(place == before[: len(place)].as_signed()):
            m.d.sync += moving.eq(1)
        bits_x = Signal(digits, name="total_bits", reset_less=True, attrs={"stage": "total"})
        bits_y = Signal(digits, name="part_bits", reset_less=True, attrs={"stage": "total"})
        joined = ~place[-1]
        with m.If(load):
            m.d.sync += place.eq(-farthest)
        with m.Else():
            m.d.sync += place.eq(place + 1)
        with m.If(load | Mux(swap, moving, joined)):
            m.d.sync += bits_x.eq(Mux(load, x.sig, Cat(bits_x[1:], Const(0, 1))))
        with m.If(load | Mux(swap, joined, moving)):
            m.d.sync += bits_y.eq(Mux(load, y.sig, Cat(bits_y[1:], Const(0, 1))))
        ahead = Mux(swap, bits_x[0], bits_y[0]) & moving
        behind = Mux(swap, bits_y[0], bits_x[0]) & joined
        subtract = wire(m, x.sign ^ y.sign, "total_subtract")
        bit = serial_add(m, behind, ahead, subtract, load, "total")
        shots = Snapshots(m, load, step, bit, place, self.keep, "total")

        low, high = sizes.lsb + sizes.low, sizes.lsb + sizes.high + digits
        if not self.scaled:
            # All parts are multiples of the products' last bit, so the sum is.
            low = max(low, self.fixed.lsb)
        # The sum's exponent field: the larger operand's, and how far its top bit moved.
        exp = Signal(range_shape(low + fmt.bias, high + fmt.bias), name="total_exp")
        base = Signal(len(large), name="large_held", reset_less=True, attrs={"stage": "total"})
        m.d.sync += base.eq(large)
        m.d.comb += exp.eq(base + (shots.exp - (digits - 1)))
        nan, clash, infinite = any_of(x.nan, y.nan), Const(0, 1), any_of(x.inf, y.inf)
        zero_sign = x.sign | y.sign if self.rounder.rounding.mode == "RDN" else x.sign & y.sign
        sign = Mux(swap, y.sign, x.sign)
        if not is_const(infinite):
            # An infinity has the largest magnitude but for NaN, so its sign is the larger's.
            clash = wire(m, x.inf & y.inf & subtract, "total_clash")
            infinite = wire(m, infinite & ~clash & ~nan, "total_inf")
            nan = any_of(nan, clash)
        zero = wire(m, ~shots.found & ~any_of(nan, infinite), "total_is_zero")
        raw = Raw(
            nan,
            infinite,
            zero,
            wire(m, Mux(zero, zero_sign, sign), "total_sum_sign"),
            exp,
            shots.sig,
            low,
            high,
            fmt.bias,
        )
        return raw, clash, finished
