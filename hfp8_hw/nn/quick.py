"""Round to nearest in a dozen operations on 32-bit words, for the formats that allow it.

Within the normal range, adding half of the last place that stays to a binary32 word and cutting the
rest off rounds it; a carry runs into the exponent, as it should. With ties to even it is half less
one, plus the last bit that stays. The code is then the word's upper bits less the difference of the
biases. Below the smallest normal value a ``gradual`` format is a fixed-point number, and the others
have one decision: zero or the smallest value, zero counting as even.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..formats import FloatFormat
from ..rounding import Rounding
from .codes import code_dtype


def applies(fmt: FloatFormat, how: Rounding) -> bool:
    """Whether `codes` rounds like this to this format: RNE or RNA, well within binary32."""
    return how.mode in ("RNE", "RNA") and fmt.width <= 16 and 0 <= fmt.bias <= 64 and (
        fmt.exp_bits <= 6
    )  # fmt: skip


def codes(x: Tensor, fmt: FloatFormat, how: Rounding, overflow: str) -> Tensor:
    """Codes of ``float32`` values, as `quantize`; arguments have been checked."""
    man, even = fmt.man_bits, how.mode == "RNE"
    drop = 23 - man
    word = x.contiguous().view(torch.int32)
    mag = word & 0x7FFFFFFF
    half = (1 << drop - 1) - int(even)
    code = mag + half
    if even:
        code += (mag >> drop) & 1
    code >>= drop
    code -= 127 - fmt.bias << man
    size = mag.view(torch.float32)
    if fmt.zero_exp == "gradual":
        units = size * 2.0 ** (fmt.bias + man - 1)
        units = torch.where(size < fmt.min_normal, units, 0.0)
        low = units.round() if even else units.floor() + (units - units.floor() >= 0.5)
        code = torch.where(size < fmt.min_normal, low.to(torch.int32), code)
    else:
        up = size > fmt.min / 2 if even else size >= fmt.min / 2
        code = torch.where(size < fmt.min, up.to(torch.int32) * fmt.min_code, code)
    beyond = fmt.max_code if overflow == "saturate" else fmt.inf_code or fmt.nan_code or 0
    signed_beyond = overflow == "saturate" or fmt.inf_code is not None
    over = (code > fmt.max_code) | (mag == 0x7F800000)
    code = torch.where(over, beyond, code)
    sign = (word >> 31) & fmt.sign_mask
    if not signed_beyond:
        sign = torch.where(over, 0, sign)
    signed = code | sign
    if not fmt.has_neg_zero:
        signed = torch.where(code == 0, 0, signed)
    nan = fmt.max_code if fmt.nan_code is None else fmt.nan_code
    return torch.where(mag > 0x7F800000, nan, signed).to(code_dtype(fmt))
