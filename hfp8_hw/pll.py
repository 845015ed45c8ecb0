"""Clocks that a board's PLL makes of its oscillator's: divider settings, by the data sheets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from .errors import ParameterError
from .protocol import megahertz

MHZ = 1_000_000


@dataclass(frozen=True)
class Family:
    """The PLL of a family. Ranges are in MHz, both ends allowed.

    Members
    -------
    divides, multiplies, posts : the dividers of the reference, of the feedback and of the output
    after : the feedback comes from the output, behind its divider, and not from the oscillator
    reference, detector, oscillator, output : of the frequency at the input, at the phase detector,
        of the voltage-controlled oscillator, and at the output
    """

    title: str
    divides: range
    multiplies: range
    posts: tuple[int, ...]
    after: bool
    reference: tuple[float, float]
    detector: tuple[float, float]
    oscillator: tuple[float, float]
    output: tuple[float, float]


FAMILIES: dict[str, Family] = {
    # ECP5 and ECP5-5G Family Data Sheet, FPGA-DS-02012, "sysCLOCK PLL Timing"; dividers: FPGA
    # Libraries Reference Guide, EHXPLLL, with the feedback from an output of its own.
    "ecp5": Family(
        "EHXPLLL", range(1, 129), range(1, 129), tuple(range(1, 129)), after=False,
        reference=(8, 400), detector=(10, 400), oscillator=(400, 800), output=(3.125, 400),
    ),
    # iCE40 LP/HX Family Data Sheet, FPGA-DS-02029, and iCE40 UltraPlus', FPGA-DS-02008, "sysCLOCK
    # PLL Timing"; dividers: TN1251, feedback SIMPLE.
    "ice40": Family(
        "SB_PLL40", range(1, 17), range(1, 129), tuple(2**k for k in range(1, 7)), after=False,
        reference=(10, 133), detector=(10, 133), oscillator=(533, 1066), output=(16, 275),
    ),
    # GW1NR series Data Sheet, DS117, PLL switching characteristics, C6/I5; dividers: UG286, rPLL.
    "gowin": Family(
        "rPLL", range(1, 65), range(1, 65), (2, 4, 8, *range(16, 129, 16)), after=True,
        reference=(3, 400), detector=(3, 400), oscillator=(400, 1200), output=(3.125, 600),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Oscillator:
    """What a board's clocks are made of.

    Members
    -------
    clock : int
        Hz.
    pll : str or None
        The PLL's family: of `FAMILIES`.
    """

    clock: int
    pll: str | None = None


@dataclass(frozen=True)
class Setting:
    """Dividers of a PLL.

    Members
    -------
    family : str
        A key of `FAMILIES`.
    reference : int
        Hz, of the oscillator.
    divide, multiply, post : int
        Of the reference, of the feedback, of the output.
    """

    family: str
    reference: int
    divide: int
    multiply: int
    post: int

    @property
    def detector(self) -> Fraction:
        """Hz at the phase detector."""
        return Fraction(self.reference, self.divide)

    @property
    def oscillator(self) -> Fraction:
        """Hz of the voltage-controlled oscillator."""
        times = self.multiply * (self.post if FAMILIES[self.family].after else 1)
        return self.detector * times

    @property
    def output(self) -> Fraction:
        """Hz at the output."""
        return self.oscillator / self.post


def settings(family: str, reference: int) -> Iterator[Setting]:
    """All settings that the data sheet allows for a reference of so many Hz."""
    pll = FAMILIES[family]

    def within(hertz: int, parts: int, ends: tuple[float, float]) -> bool:
        """Of ``hertz / parts``."""
        return ends[0] * MHZ * parts <= hertz <= ends[1] * MHZ * parts

    if not within(reference, 1, pll.reference):
        return
    for divide in pll.divides:
        if not within(reference, divide, pll.detector):
            continue
        for multiply in pll.multiplies:
            fast = reference * multiply
            for post in pll.posts:
                # What the feedback is made of, and what the output divider makes of it.
                fine = (
                    within(fast * post, divide, pll.oscillator) and within(fast, divide, pll.output)
                    if pll.after else
                    within(fast, divide, pll.oscillator)
                    and within(fast, divide * post, pll.output)
                )  # fmt: skip
                if fine:
                    yield Setting(family, reference, divide, multiply, post)


def check_clock(source: Oscillator, clock: int, given: str = "") -> Setting | None:
    """The setting that makes a clock of so many Hz; None for the oscillator's own.

    Of several it is the one with the fastest phase detector, and then the one whose oscillator is
    nearest to the middle of its range.

    Parameters
    ----------
    given : str
        What the user gave, for the error's text.

    Raises
    ------
    ParameterError
        If there is none; it names the nearest clocks that there are.
    """
    if clock == source.clock:
        return None
    wrong = f"{given or f'clock={megahertz(clock)}'} is not allowed"
    own = f"{megahertz(source.clock)} MHz, the oscillator's"
    if source.pll is None:
        raise ParameterError(f"{wrong} on this board: {own}, as its PLL is not supported")
    pll = FAMILIES[source.pll]
    middle = sum(pll.oscillator) / 2 * MHZ
    found = list(settings(source.pll, source.clock))
    fits = [one for one in found if round(one.output) == clock]
    if fits:
        return min(fits, key=lambda one: (one.divide, abs(one.oscillator - middle), one.post))
    others = {round(one.output) for one in found}
    near = [max((c for c in others if c < clock), default=None),
            min((c for c in others if c > clock), default=None)]  # fmt: skip
    words = " and ".join(megahertz(c) for c in near if c is not None)
    raise ParameterError(
        f"{wrong}: {own}, or what the {pll.title} makes of it; the nearest to it: {words} MHz"
    )
