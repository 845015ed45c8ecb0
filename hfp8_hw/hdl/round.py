"""The one rounder: packs any exact value into any format, in any rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ..formats import RUNTIME_BIAS_RANGE, FloatFormat
from ..rounding import Rounding
from .raw import Raw, any_of, wire
from .shape import Amaranth, range_shape, zero_extended

Cut = Callable[[str, Amaranth], Amaranth]


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
        cut: Cut | None = None,
    ) -> tuple[Amaranth, Amaranth]:
        """Add the rounder to ``m``: (code, flags).

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
            Registers a signal: where a pipeline may be cut, between alignment and increment.
        """
        place = _Place(m, self, raw, name, bias, rbits)
        if cut is not None:
            raw = raw.through(lambda n, v: v if n in ("exp", "sig") else cut(n, v))
            place.through(cut)
            invalid = cut("invalid", invalid)
        return self._finish(m, raw, place, name, invalid)

    def _finish(
        self, m: Module, raw: Raw, place: _Place, name: str, invalid: Amaranth
    ) -> tuple[Amaranth, Amaranth]:
        """Increment, overflow, specials and flags."""
        fmt = self.fmt
        rounded = wire(m, place.base + place.up, f"{name}_rounded")
        over = rounded > fmt.max_code if place.top > fmt.max_code else Const(0, 1)
        mag: Amaranth = rounded[: fmt.width - 1]
        if place.gap is not None:
            over = over & ~place.gap
            mag = Mux(place.gap, Mux(place.gap_up, fmt.min_code, 0), mag)
        special = any_of(raw.nan, raw.inf, raw.zero)
        over = wire(m, over & ~special, f"{name}_over")
        plain = ~special

        mag = Mux(over, self._overflowed(raw.sign), mag)
        mag = Mux(raw.zero, 0, mag)
        mag = wire(m, mag[: fmt.width - 1], f"{name}_mag")
        infinite = fmt.max_code if self.overflow == "saturate" else self._infinity
        nan_code = fmt.max_code if fmt.nan_code is None else fmt.nan_code
        code = Cat(mag, self._sign(raw, over, mag))
        code = Mux(raw.inf, self._signed(infinite, raw.sign), code)
        code = Mux(raw.nan, nan_code, code)

        overflow = any_of(over, raw.inf)
        underflow = place.tiny & place.inexact & plain
        inexact = (place.inexact & plain) | overflow
        bad = any_of(invalid, raw.nan if fmt.nan_code is None else Const(0, 1))
        return (
            wire(m, code[: fmt.width], f"{name}_code"),
            wire(m, Cat(overflow, underflow, inexact, bad), f"{name}_flags"),
        )

    @property
    def _infinity(self) -> int:
        """The magnitude that `special` puts where there is overflow, NaN's sign bit included."""
        fmt = self.fmt
        code = fmt.nan_code if fmt.inf_code is None else fmt.inf_code
        assert code is not None
        return code

    def _overflowed(self, sign: Amaranth) -> Amaranth:
        """The magnitude of an overflow; `fnuz` NaN is all sign, so its magnitude is 0."""
        fmt = self.fmt
        if self.overflow == "saturate" or self.rounding.mode in ("RTZ", "RTO"):
            return Const(fmt.max_code, fmt.width - 1)
        infinity = self._infinity & fmt.mag_mask
        match self.rounding.mode:
            case "RUP":
                return Mux(sign, fmt.max_code, infinity)
            case "RDN":
                return Mux(sign, infinity, fmt.max_code)
        return Const(infinity, fmt.width - 1)

    def _sign(self, raw: Raw, over: Amaranth, mag: Amaranth) -> Amaranth:
        """The sign of a result that came neither from NaN nor from an infinity."""
        fmt, sign = self.fmt, raw.sign
        if not fmt.has_neg_zero:
            sign = sign & (mag != 0)
        if self.overflow == "special" and fmt.inf_code is None:
            nan_sign = int(self._infinity > fmt.mag_mask)
            match self.rounding.mode:
                case "RTZ" | "RTO":
                    return sign
                case "RUP":
                    over = over & ~raw.sign
                case "RDN":
                    over = over & raw.sign
            sign = Mux(over, nan_sign, sign)
        return sign

    def _signed(self, code: int, sign: Amaranth) -> Amaranth:
        """A constant magnitude with the sign, or NaN, which has its own."""
        if code == self.fmt.nan_code:
            return Const(code, self.fmt.width)
        return Cat(Const(code, self.fmt.width - 1), sign)


class _Place:
    """A value set on the format's grid: what is kept, and whether to go one up.

    Members
    -------
    base : exponent field and mantissa before the increment
    up : 1 bit, the increment
    gap, gap_up : 1 bit
        `normal` and `flush`: the value lies between zero and the smallest, and goes up to it.
    tiny : 1 bit, below the smallest normal
    inexact : 1 bit, for finite nonzero values
    top : int
        The largest that base + up can be.
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
        biases = (fmt.bias, fmt.bias) if bias is None else RUNTIME_BIAS_RANGE
        low, high = raw.low + biases[0], raw.high + biases[1]
        field = Signal(range_shape(low, high), name=f"{name}_field")
        m.d.comb += field.eq(raw.exp + (fmt.bias if bias is None else bias))
        never = Const(0, 1)
        tiny = wire(m, field < floor, f"{name}_tiny") if low < floor else never

        # Fraction bits below the mantissa: `keep` bits, the guard or those that SR compares, and
        # whether any bit below them is set.
        exact = len(raw.sig) <= man + 1
        sig = zero_extended(raw.sig, man + 1 + keep)
        shifts = low < floor and (fmt.zero_exp == "gradual" or rounding.mode == "SR")
        if shifts:
            most = min(man + 1 + keep, floor - low)
            count = wire(m, floor - field, f"{name}_shift_full")
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

        field_out = Mux(tiny, 0, field) if fmt.zero_exp == "gradual" else field
        width = max(fmt.exp_bits, max(high, 1).bit_length())
        self.base = wire(m, Cat(kept[:man], field_out.as_unsigned()[:width]), f"{name}_base")
        if len(self.base) < man + width:
            self.base = wire(m, Cat(self.base, Const(0, man + width - len(self.base))), name)
        self.up = never
        if not exact or shifts:
            up = _round_up(rounding, kept[0], fraction, sticky, raw.sign, rbits)
            self.up = wire(m, up, f"{name}_up")
        self.top = (max(high, 0) << man) + (1 << man) - 1 + (self.up is not never)
        self.tiny, self.inexact = tiny, inexact
        self.gap: Amaranth | None = None
        self.gap_up: Amaranth = never
        if fmt.zero_exp == "flush" and low < 1:
            self.gap = tiny
            self.inexact = wire(m, inexact | tiny, f"{name}_inexact")
            self.gap_up = wire(m, _flush_up(rounding, field, raw, sig, rbits), f"{name}_gap_up")
        if fmt.zero_exp == "normal" and low < 1:
            # The code that would be 2**-B is zero's.
            bottom = (field == 0) & (kept[:man] == 0)
            self.gap = wire(m, tiny | bottom, f"{name}_gap")
            self.tiny = self.gap
            self.inexact = wire(m, inexact | self.gap, f"{name}_inexact")
            self.gap_up = wire(
                m, _normal_up(rounding, field, raw, sig, man, rbits), f"{name}_gap_up"
            )

    def through(self, cut: Cut) -> None:
        """Pass every member through a register."""
        self.base, self.up = cut("base", self.base), cut("up", self.up)
        same = self.tiny is self.gap
        self.tiny = cut("tiny", self.tiny)
        self.inexact = cut("inexact", self.inexact)
        if self.gap is not None:
            self.gap = self.tiny if same else cut("gap", self.gap)
            self.gap_up = cut("gap_up", self.gap_up)


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
    rounding: Rounding, field: Amaranth, raw: Raw, sig: Amaranth, rbits: Amaranth | None
) -> Amaranth:
    """`flush`, 0 < |x| < 2**(1-B): whether x goes up to 2**(1-B)."""
    away = _directed(rounding, raw.sign)
    if away is not None:
        return away
    half = field == 0  # 2**-B <= |x|, half way or more
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
    field: Amaranth,
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
        above = (leading > 1) | ((leading == 1) & below.any()) if len(below) else leading > 1
    return (field == 0) | ((field == -1) & above)
