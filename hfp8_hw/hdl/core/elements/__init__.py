"""The elements of the array: what sums products, and the registers in which sums leave.

`exact` sums in fixed point, several products a clock; `rounded` rounds with each product, and
several sums take turns in it. `operands` has what they have in common.
"""

from ....parameters import CoreParameters
from ...numbers.pipeline import registered_cuts
from .exact import exact_cuts
from .rounded import rounded_cuts

DSP_CUTS = ("product", "shift", "unpack", "half")
"""With ``align=dsp``, around the register in front of the multipliers: most valuable first."""


def operand_cuts(p: CoreParameters) -> tuple[str, ...]:
    """The cuts on the way of a code to the elements, the last of them in front of these."""
    if p.align != "dsp":
        return ("decoded", "operand")
    kept = registered_cuts(p.stages - 2, DSP_CUTS)
    return (*(name for name in ("unpack", "half", "shift") if name in kept), "operand")


def element_cuts(p: CoreParameters) -> tuple[str, ...]:
    """The cuts between an element's operands and its sum, which leaves a clock later."""
    return exact_cuts(p) if p.element.is_exact else rounded_cuts(p)
