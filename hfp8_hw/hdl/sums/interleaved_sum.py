"""One of the sums that take turns in a floating-point accumulator."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ...formats import FloatFormat
from ...parameters import MacParameters
from ..numbers.exponent import ExponentField
from ..numbers.raw import Raw, any_of, choose, is_const, select, wire
from ..numbers.round import Rounded
from ..numbers.shape import Amaranth, at_least, zero_extended
from .held_code import held_number, held_widths, nothing_unless, zero_if

CONTROL = (
    "partial", "full", "closing", "flushed", "total_set", "dirty", "final", "taken",
    "late_lost", "late_bad",
)  # fmt: skip


class Slot:
    """What a sum keeps from round to round, and what happens when it comes by.

    Members
    -------
    state : dict
        Signals of the last registers: ``code`` (the sum of the chunk, or of all for ``fma``),
        ``seen`` (flags so far), ``partial`` (a chunk is under way), ``final`` (there is a
        result). For ``chunked``: ``total`` (the sum of the chunks before, under ``total_set``, or
        the result), ``full`` (the chunk is at its end), ``closing`` (and the sum too),
        ``flushed`` (the adder gave the total), ``taken`` (items of the chunk), ``dirty``
        (``seen`` belongs to this sum), ``late_*`` (flags of the product taken last round).
        ``*_nan`` and ``*_zero`` belong to the codes.
    carried : dict
        The same after this round, but what comes out of the adder.
    """

    def __init__(self, m: Module, p: MacParameters) -> None:
        self.parameters = p
        self.chunked = p.semantics == "chunked"
        fmt = p.acc_format
        names = {"seen": 4, "partial": 1, "final": 1}
        for code in ("code", "total") if self.chunked else ("code",):
            names |= held_widths(fmt, code)
        if self.chunked:
            names |= dict.fromkeys(("full", "closing", "flushed", "total_set", "dirty"), 1)
            if p.chunk > 1:
                names["taken"] = (p.chunk - 1).bit_length()
        self.state = {
            name: Signal(
                width,
                name=f"slot_{name}",
                reset_less=name not in CONTROL,
                attrs={"stage": "slot"},
            )
            for name, width in names.items()
        }
        self.carried: dict[str, Amaranth] = {}

    def _number(self, m: Module, name: str) -> Raw:
        """A code of the state."""
        return held_number(m, self.state, name, self.parameters.acc_format)

    def next(
        self,
        m: Module,
        offered: Amaranth,
        first: Amaranth,
        last: Amaranth,
        product: Raw,
        invalid: Amaranth,
    ) -> tuple[Amaranth, Raw, Raw]:
        """(whether an item can be taken, what is to be added to what)."""
        if self.chunked:
            return self._next_chunked(m, offered, first, last, product, invalid)
        state = self.state
        fresh = wire(m, (offered & first) | ~state["partial"], "fresh")
        x = zero_if(m, fresh, self._number(m, "code"), "x")
        y = nothing_unless(m, offered, product, x.sign, "y")
        self.carried = {
            "seen": Mux(fresh, 0, state["seen"]),
            "partial": Mux(offered, ~last, state["partial"]),
            "final": offered & last,
            "bad": invalid if is_const(invalid) else invalid & offered,
        }
        return Const(1, 1), x, y

    def _next_chunked(
        self,
        m: Module,
        offered: Amaranth,
        first: Amaranth,
        last: Amaranth,
        product: Raw,
        invalid: Amaranth,
    ) -> tuple[Amaranth, Raw, Raw]:
        state, p = self.state, self.parameters
        full, closing, partial = state["full"], state["closing"], state["partial"]
        waits = p.first_waits
        # A sum that is given up takes a round to clear.
        begins = wire(m, offered & first, "begins")
        clear = wire(m, begins & partial & ~full, "give_up")
        taken = wire(m, Mux(full, ~last if waits else 0, ~(first & partial)), "can_take")
        have = wire(m, offered & taken, "got")

        x = zero_if(m, ~partial, self._number(m, "code"), "x")
        total = zero_if(m, ~state["total_set"], self._number(m, "total"), "augend")
        item = nothing_unless(m, have, product, x.sign, "item")
        y = select(m, full, total, item, "y")

        # A sum may also be given up between two chunks, where there is nothing to clear.
        seen = Mux(~state["dirty"] | (begins & ~full), 0, state["seen"])
        seen = wire(m, seen, "seen_before")
        if waits:
            lost, bad = self._wait(m, product, invalid, have & full)
            seen = seen | Cat(lost, Const(0, 1), lost, bad)
        end: Amaranth = Const(1, 1)
        if p.chunk > 1:
            end = wire(m, last | (state["taken"] == p.chunk - 1), "chunk_end")
            self.carried["taken"] = Mux(clear | (have & ~full & end), 0, state["taken"] + have)
            self.carried["taken"] = self.carried["taken"][: len(state["taken"])]
        self.carried |= {
            "total": state["total"],
            "seen": seen,
            "partial": have | (partial & ~full & ~clear),
            "full": have & ~full & end,
            "closing": last,
            "flushed": full,
            "total_set": ~begins & Mux(full, ~closing, state["total_set"]),
            "dirty": ~clear & ~(full & (closing | begins)),
            "final": full & closing,
            "bad": invalid if is_const(invalid) else invalid & have & ~full,
        }
        self.carried |= {n: state[n] for n in ("total_nan", "total_zero") if n in state}
        return taken, x, y

    def _wait(
        self, m: Module, product: Raw, invalid: Amaranth, waits: Amaranth
    ) -> tuple[Amaranth, Amaranth]:
        """Let a product wait for its turn in the adder, as the code of +0 plus it.

        Returns, of the one that waited, whether it is too large, and invalid.
        """
        p, fmt = self.parameters, self.parameters.acc_format
        # From +0 on: only rounding down adds a -0 to that with a sign.
        keep_sign = p.rounding_mode.mode == "RDN"
        sign = product.sign if keep_sign else product.sign & ~product.zero
        man = zero_extended(product.sig, fmt.man_bits + 1)[:-1]
        over = _too_large(m, product, fmt)
        code = Cat(man, product.exp[: fmt.exp_bits], sign)
        if fmt.zero_exp == "gradual":
            code = Mux(product.zero, Cat(Const(0, fmt.width - 1), sign), code)
        infinite = any_of(product.inf, over)
        if fmt.inf_code is not None and not is_const(infinite):
            code = Mux(infinite, Cat(Const(fmt.inf_code, fmt.width - 1), sign), code)
        self.carried |= {
            "first": wire(m, code, "first_code"),
            "first_nan": any_of(product.nan, over if fmt.inf_code is None else Const(0, 1)),
            "first_zero": product.zero,
        }
        late = {"lost": infinite, "bad": invalid}  # an infinity counts as an overflow
        for name, value in late.items():
            if not is_const(value):
                self.carried[f"late_{name}"] = value & waits
                self.state[f"late_{name}"] = late[name] = Signal(
                    name=f"slot_late_{name}", attrs={"stage": "slot"}
                )
        return late["lost"], late["bad"]

    def after(self, carried: dict[str, Amaranth], rounded: Rounded) -> dict[str, Amaranth]:
        """What the last registers get, with what the adder gave."""
        given = {"code": rounded.code, "code_nan": rounded.nan, "code_zero": rounded.zero}
        got = {**carried, "seen": carried["seen"] | rounded.flags}
        if not self.chunked:
            return got | given
        flushed = carried["flushed"]
        for name, value in given.items():
            if value is not None:
                first = carried.get(name.replace("code", "first"), value)
                total = name.replace("code", "total")
                got[name] = choose(flushed, first, value)
                got[total] = choose(flushed, value, carried.get(total, Const(0, 1)))
        return got

    @property
    def result(self) -> Amaranth:
        """The code of the sum under ``final``."""
        return self.state["total" if self.chunked else "code"]


def _too_large(m: Module, raw: Raw, fmt: FloatFormat) -> Amaranth:
    """Whether a number of no more bits than the format's is above its largest."""
    last, most = fmt.max_code >> fmt.man_bits, fmt.max_code & ((1 << fmt.man_bits) - 1)
    field = ExponentField(m, raw, fmt, None, "product")
    if field.high < last:
        return Const(0, 1)
    sig = zero_extended(raw.sig, fmt.man_bits + 1)[:-1]
    over = field.equals(last) & at_least(sig, most + 1)
    if field.high > last:
        over = over | field.reaches(last + 1)
    return wire(m, over & ~any_of(raw.nan, raw.inf, raw.zero), "product_over")
