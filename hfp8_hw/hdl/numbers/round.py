"""The one rounder: packs any exact value into any format, in any rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ...formats import FloatFormat
from ...rounding import Rounding
from .exponent import ExponentField
from .raw import Raw, any_of, is_const, wire
from .shape import Amaranth, at_least, zero_extended

Cut = Callable[[str, Amaranth], Amaranth]


class Rounded(NamedTuple):
    """What a rounder outputs.

    Members
    -------
    code, flags
    nan, zero : 1 bit or None
        Whether the code is NaN, or a zero; None where nothing but the code says it.
    """

    code: Amaranth
    flags: Amaranth
    nan: Amaranth
    zero: Amaranth | None


@dataclass(frozen=True)
class Rounder:
    """Rounds `Raw` numbers to codes of ``fmt``; combinational but for the cut it is given.

    Golden function: `hfp8_hw.golden.quantize`. Flags, from bit 0: overflow, underflow, inexact,
    invalid. An infinity counts as an overflow.

    Parameters
    ----------
    fmt : FloatFormat
    rounding : Rounding
    overflow : str
        ``saturate`` or ``special``.
    """

    fmt: FloatFormat
    rounding: Rounding
    overflow: str

    def build(
        self,
        m: Module,
        raw: Raw,
        *,
        name: str,
        invalid: Amaranth,
        bias: Amaranth | None = None,
        rbits: Amaranth | None = None,
        cut: Callable[[str], Cut] | None = None,
    ) -> Rounded:
        """Add the rounder to ``m``.

        Parameters
        ----------
        name : str
            Prefix of the signals' names.
        invalid : 1 bit
            Whether the operation that made ``raw`` was invalid.
        bias : signed, optional
            The run-time bias in place of the format's.
        rbits : unsigned, optional
            The random bits of SR.
        cut : callable, optional
            Gives the registers of a cut by its name: ``place`` and ``align`` are where a pipeline
            may be cut, before and after the choice between the number and special results.
        """
        place = _Place(m, self, raw, name, bias, rbits)
        if cut is not None:
            register = cut("place")
            place.through(register)
            invalid = register("invalid", invalid)
            raw = raw.through(lambda n, v: v if n in ("exp", "sig") else register(n, v))
        set_up = _SetUp.of(m, self, raw, place, invalid, name)
        if cut is not None:
            set_up = set_up.through(cut("align"))
        code = Cat(
            wire(m, (set_up.base + set_up.up)[: self.fmt.width - 1], f"{name}_mag"), set_up.sign
        )
        zero = None if self.fmt.zero_exp == "gradual" else set_up.zero
        return Rounded(
            wire(m, code, f"{name}_code"), wire(m, set_up.flags, f"{name}_flags"), set_up.nan, zero
        )

    @property
    def infinity(self) -> int:
        """The magnitude that `special` puts where there is overflow, NaN's sign bit included."""
        fmt = self.fmt
        if self.overflow == "saturate":
            return fmt.max_code
        code = fmt.nan_code if fmt.inf_code is None else fmt.inf_code
        assert code is not None
        return code

    @property
    def overflow_is_nan(self) -> bool:
        """Whether an overflow gives NaN, which has a sign of its own."""
        return self.overflow == "special" and self.fmt.inf_code is None

    def overflow_mag(self, sign: Amaranth) -> Amaranth:
        """The magnitude of an overflow; `fnuz` NaN is all sign, so its magnitude is 0."""
        fmt = self.fmt
        infinity = self.infinity & fmt.mag_mask
        match self.rounding.mode:
            case "RTZ" | "RTO":
                infinity = fmt.max_code
            case "RUP":
                return Mux(sign, fmt.max_code, infinity)
            case "RDN":
                return Mux(sign, infinity, fmt.max_code)
        return Const(infinity, fmt.width - 1)

    def overflow_sign(self, sign: Amaranth) -> Amaranth:
        """The sign of an overflow."""
        if not self.overflow_is_nan:
            return sign
        nan_sign = Const(int(self.infinity > self.fmt.mag_mask), 1)
        match self.rounding.mode:
            case "RTZ" | "RTO":
                return sign
            case "RUP":
                return sign | nan_sign
            case "RDN":
                return sign & nan_sign
        return nan_sign

    def overflow_nan(self, sign: Amaranth) -> Amaranth:
        """Whether an overflow of this sign gives NaN."""
        mode = self.rounding.mode
        if not self.overflow_is_nan or mode in ("RTZ", "RTO"):
            return Const(0, 1)
        return {"RUP": ~sign, "RDN": sign}.get(mode, Const(1, 1))


@dataclass(frozen=True)
class _SetUp:
    """All but the increment; where the pipeline may be cut.

    Overflow is known already: it takes the largest number and an increment.

    Members
    -------
    base, up
        ``base + up`` is the magnitude.
    sign : 1 bit
    flags : 4 bits
    nan, zero : 1 bit
        NaN is output, or a zero, subnormals aside.
    """

    base: Amaranth
    up: Amaranth
    sign: Amaranth
    flags: Amaranth
    nan: Amaranth
    zero: Amaranth

    def through(self, cut: Cut) -> _SetUp:
        """The same with every signal passed through ``cut(name, signal)``."""
        return _SetUp(*(cut(f.name, getattr(self, f.name)) for f in fields(self)))

    @classmethod
    def of(
        cls, m: Module, rounder: Rounder, raw: Raw, place: _Place, invalid: Amaranth, name: str
    ) -> _SetUp:
        """Choose between a number on its place on the grid and special results."""
        fmt = rounder.fmt
        special = wire(m, any_of(raw.nan, raw.inf, raw.zero), f"{name}_special")
        plain = wire(m, ~special, f"{name}_plain")
        over: Amaranth = Const(0, 1)
        if not is_const(place.huge) or not is_const(place.full):
            over = wire(m, any_of(place.huge, place.full & place.up) & plain, f"{name}_over")
        gap: Amaranth = Const(0, 1)
        value: Amaranth = Const(0, fmt.width - 1)
        if place.gap is not None:
            gap = place.gap
            gap_up = wire(m, place.gap_up.any() & plain, f"{name}_smallest")
            value = Mux(gap_up, fmt.min_code, 0)[: fmt.width - 1]
        nan_code = fmt.max_code if fmt.nan_code is None else fmt.nan_code
        nan, sign = raw.nan, raw.sign
        if not is_const(over):
            value = Mux(over, rounder.overflow_mag(raw.sign), value)
            sign = Mux(over, rounder.overflow_sign(raw.sign), sign)
            nan = any_of(nan, over & rounder.overflow_nan(raw.sign))
        if not is_const(raw.inf):
            value = Mux(raw.inf, rounder.infinity & fmt.mag_mask, value)
            if rounder.overflow_is_nan:
                sign = Mux(raw.inf, int(rounder.infinity > fmt.mag_mask), sign)
                nan = any_of(nan, raw.inf)
        if not is_const(raw.nan):
            value = Mux(raw.nan, nan_code & fmt.mag_mask, value)
            sign = Mux(raw.nan, int(nan_code > fmt.mag_mask), sign)
        value = wire(m, value, f"{name}_special_mag")
        forced = wire(m, any_of(special, over, gap), f"{name}_forced")
        base = place.base if is_const(forced) else Mux(forced, value, place.base)
        base = wire(m, base[: fmt.width - 1], f"{name}_set_up")
        up = place.up if is_const(place.up) else wire(m, place.up & ~forced, f"{name}_set_up_up")
        if not fmt.has_neg_zero:
            # The sign bit alone is NaN there.
            sign = sign & any_of(base.any(), up, nan)
        overflow = wire(m, any_of(over, raw.inf), f"{name}_overflow")
        inexact = place.inexact if is_const(place.inexact) else place.inexact & plain
        inexact = wire(m, inexact, f"{name}_rounded")
        underflow: Amaranth = Const(0, 1)
        if not is_const(place.tiny) and not is_const(place.inexact):
            underflow = wire(m, place.tiny & inexact, f"{name}_underflow")
        bad = any_of(invalid, raw.nan if fmt.nan_code is None else Const(0, 1))
        flags = Cat(overflow, underflow, any_of(inexact, overflow), bad)
        zero = raw.zero
        if place.gap is not None:
            zero = zero | (gap & ~place.gap_up.any() & plain)
        nan = nan if fmt.has_nan else Const(0, 1)
        return cls(base, up, wire(m, sign[:1], f"{name}_sign"), flags, nan, zero)


class _Place:
    """A value set on the format's grid: what is kept, and whether to go one up.

    Members
    -------
    base : exponent field and mantissa before the increment
    up : 1 bit, the increment
    huge, full : 1 bit
        The number is above the largest even without the increment, and just the largest.
    gap, gap_up
        `normal` and `flush`: the value lies between zero and the smallest, and, if any bit of
        ``gap_up`` is set, goes up to it.
    tiny : 1 bit, below the smallest normal
    inexact : 1 bit, for finite nonzero values
    """

    def __init__(
        self,
        m: Module,
        rounder: Rounder,
        raw: Raw,
        name: str,
        bias: Amaranth | None,
        rbits: Amaranth | None,
    ) -> None:
        fmt, rounding = rounder.fmt, rounder.rounding
        man = fmt.man_bits
        keep = max(rounding.sr_bits, 1)
        floor = 0 if fmt.zero_exp == "normal" else 1
        field = ExponentField(m, raw, fmt, bias, name)
        low, high = field.low, field.high
        never = Const(0, 1)
        tiny = wire(m, ~field.reaches(floor), f"{name}_tiny") if low < floor else never

        # Fraction bits below the mantissa: `keep` bits, the guard or those that SR compares, and
        # whether any bit below them is set.
        exact = len(raw.sig) <= man + 1
        sig = zero_extended(raw.sig, man + 1 + keep)
        shifts = low < floor and (fmt.zero_exp == "gradual" or rounding.mode == "SR")
        if shifts:
            most = min(man + 1 + keep, floor - low)
            count = wire(m, floor - field.value, f"{name}_shift_full")
            width = most.bit_length()
            amount = Signal(width, name=f"{name}_shift")
            bounded = count[:width] if most == floor - low else Mux(count > most, most, count)
            m.d.comb += amount.eq(Mux(tiny, bounded, 0))
            sig = wire(m, Cat(Const(0, most), sig) >> amount, f"{name}_aligned")
        kept = sig[len(sig) - man - 1 :]
        fraction = sig[len(sig) - man - 1 - keep : len(sig) - man - 1]
        rest = sig[: len(sig) - man - 1 - keep]
        sticky = wire(m, rest.any(), f"{name}_sticky") if len(rest) else never
        inexact = wire(m, fraction.any() | sticky, f"{name}_fraction")
        if exact and not shifts:
            inexact = never

        last, most = fmt.max_code >> man, fmt.max_code & ((1 << man) - 1)
        self.huge: Amaranth = never
        self.full: Amaranth = never
        if high >= last:
            at_last = wire(m, field.equals(last), f"{name}_last")
            self.huge = at_last & at_least(kept[:man], most + 1)
            if high > last:
                self.huge = any_of(self.huge, field.reaches(last + 1))
            self.huge = wire(m, self.huge, f"{name}_huge")
            self.full = wire(m, at_last & (kept[:man] == most), f"{name}_full")
        exponent = field.bits(fmt.exp_bits)
        if fmt.zero_exp == "gradual":
            exponent = Mux(tiny, 0, exponent)[: fmt.exp_bits]
        self.base = wire(m, Cat(kept[:man], exponent), f"{name}_base")
        self.up = never
        if not exact or shifts:
            up = _round_up(rounding, kept[0], fraction, sticky, raw.sign, rbits)
            self.up = wire(m, up, f"{name}_up")
        self.tiny, self.inexact = tiny, inexact
        self.gap: Amaranth | None = None
        self.gap_up: Amaranth = never
        if fmt.zero_exp == "flush" and low < 1:
            self.gap = tiny
            self.inexact = wire(m, inexact | tiny, f"{name}_inexact")
            self.gap_up = wire(m, _flush_up(rounding, field, raw, sig, rbits), f"{name}_gap_up")
        if fmt.zero_exp == "normal" and low < 1:
            # The code that would be 2**-B is zero's.
            bottom = field.equals(0) & (kept[:man] == 0)
            self.gap = wire(m, tiny | bottom, f"{name}_gap")
            self.tiny = self.gap
            self.inexact = wire(m, inexact | self.gap, f"{name}_inexact")
            self.gap_up = wire(
                m, _normal_up(rounding, field, raw, sig, man, rbits), f"{name}_gap_up"
            )

    def through(self, cut: Cut) -> None:
        """Pass every member through a register."""
        same = self.tiny is self.gap
        for name in ("base", "up", "huge", "full", "tiny", "inexact", "gap_up"):
            setattr(self, name, cut(name, getattr(self, name)))
        if self.gap is not None:
            self.gap = self.tiny if same else cut("gap", self.gap)


def _directed(rounding: Rounding, sign: Amaranth) -> Amaranth | None:
    """Whether a value that is not representable goes away from zero; None if that depends."""
    return {"RTZ": Const(0, 1), "RUP": ~sign, "RDN": sign}.get(rounding.mode)


def _round_up(
    rounding: Rounding,
    lsb: Amaranth,
    fraction: Amaranth,
    sticky: Amaranth,
    sign: Amaranth,
    rbits: Amaranth | None,
) -> Amaranth:
    """Whether to add one unit in the last place."""
    away = _directed(rounding, sign)
    if away is not None:
        return away if rounding.mode == "RTZ" else away & (fraction.any() | sticky)
    match rounding.mode:
        case "RNE":
            return fraction[-1] & (sticky | lsb)
        case "RNA":
            return fraction[-1]
        case "RTO":
            return (fraction.any() | sticky) & ~lsb
    assert rbits is not None
    return (fraction + rbits)[rounding.sr_bits]


def _flush_up(
    rounding: Rounding, field: ExponentField, raw: Raw, sig: Amaranth, rbits: Amaranth | None
) -> Amaranth:
    """`flush`, 0 < |x| < 2**(1-B): whether x goes up to 2**(1-B)."""
    away = _directed(rounding, raw.sign)
    if away is not None:
        return away
    half = field.equals(0)  # 2**-B <= |x|, half way or more
    match rounding.mode:
        case "RNE":
            return half & raw.sig[:-1].any()
        case "RNA":
            return half
        case "RTO":
            return Const(1, 1)
    assert rbits is not None
    n = rounding.sr_bits
    return (sig[len(sig) - 1 - n : len(sig) - 1] + rbits)[n]


def _normal_up(
    rounding: Rounding,
    field: ExponentField,
    raw: Raw,
    sig: Amaranth,
    man: int,
    rbits: Amaranth | None,
) -> Amaranth:
    """`normal`, 0 < |x| < 2**-B * (1 + 2**-M): whether x goes up to that smallest value.

    Half way is 2**(-B-1) * (1 + 2**-M). SR: f >= t / 2**n, t = 2**n - r, iff the value in units
    of 2**(-B-M-n) is at least t * (2**M + 1).
    """
    away = _directed(rounding, raw.sign)
    if away is not None:
        return away
    if rounding.mode == "RTO":
        return Const(1, 1)
    if rounding.mode == "SR":
        assert rbits is not None
        n = rounding.sr_bits
        need = (1 << n) - rbits
        return sig[len(sig) - man - 1 - n :] >= (need << man) + need
    fraction = raw.sig[:-1]
    fraction = zero_extended(fraction, man)
    leading, below = fraction[len(fraction) - man :], fraction[: len(fraction) - man]
    above = leading != 0
    if rounding.mode == "RNE":
        above = leading[1:].any() if len(leading) > 1 else Const(0, 1)
        if len(below):
            above = any_of(above, (leading == 1) & below.any())
    # Two bits, any of which is enough: their OR can wait for the next stage.
    return Cat(field.equals(0), field.equals(-1) & above)
