"""The elements of the array: what sums products, and the registers in which sums leave.

`exact` sums in fixed point, several products a clock; `rounded` rounds with each product, and
several sums take turns in it. `operands` has what they have in common.
"""

from ....parameters import CoreParameters
from .exact import exact_cuts
from .rounded import rounded_cuts


def element_cuts(p: CoreParameters) -> tuple[str, ...]:
    """The cuts between an element's operands and its sum, which leaves a clock later."""
    return exact_cuts(p) if p.element.is_exact else rounded_cuts(p)
