"""Which accumulators a weight update may have, and that the residual is right with them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import CATALOGUE, FloatFormat, parse_format
from hfp8_hw.golden import scalar, weight_update
from hfp8_hw.parameters import WeightUpdateParameters

NAMES = [*CATALOGUE, "E4M3B11:flush", "E3M4B5:normal:none", "E5M3B15:flush:fn", "E5M4B40:gradual"]
BYTES = [name for name in NAMES if parse_format(name, "fmt").width <= 8]


def finite(fmt: FloatFormat) -> set[Fraction]:
    """The finite magnitudes, by the definition on docs/numerics.md."""
    return {abs(x) for code in range(fmt.max_code + 1)
            if isinstance(x := scalar.decode(code, fmt), Fraction)}  # fmt: skip


VALUES = {name: finite(f) for name in NAMES if (f := parse_format(name, "fmt")).width <= 16}


@pytest.mark.parametrize("acc", NAMES)
def test_what_a_format_holds(acc: str) -> None:
    wide = parse_format(acc, "acc")
    for name in BYTES:
        narrow = parse_format(name, "fmt")
        if acc in VALUES:
            held = VALUES[name] <= VALUES[acc]
        else:  # 2**23 magnitudes a binade are too many to list
            low, high = Fraction(1, 1 << 149), Fraction((1 << 24) - 1) * (1 << 104)
            held = all(x == 0 or low <= x <= high for x in VALUES[name])
        assert wide.holds(narrow) == held, name


def test_refused_alike_by_golden_and_hardware() -> None:
    for acc in NAMES:
        for fmt in BYTES:
            wide = parse_format(acc, "acc")
            good = wide.has_nan and wide.has_neg_zero and wide.holds(parse_format(fmt, "fmt"))
            texts = []
            for call in (
                lambda f=fmt, a=acc: WeightUpdateParameters(fmt=f, acc=a),
                lambda f=fmt, a=acc: weight_update([0], [0], [0], fmt=f, acc=a),
            ):
                if good:
                    call()
                else:
                    with pytest.raises(ParameterError) as caught:
                        call()
                    texts.append(str(caught.value))
            assert len(set(texts)) == (not good)
    with pytest.raises(ParameterError) as caught:
        weight_update([0x7B], [0x6C8C], [0], fmt="HFP8_BWD", acc="FP16")
    assert str(caught.value) == (
        "acc='FP16' is not allowed for fmt='HFP8_BWD': "
        "a format that has every finite value of the weight's"
    )


@pytest.mark.parametrize(
    ("fmt", "acc"),
    [("HFP8_BWD", "DLFLOAT16"), ("HFP8_BWD", "FP9"), ("E5M2", "FP16"), ("E4M3FN", "BF16"),
     ("E4M3", "E4M3FN")],
)  # fmt: skip
@pytest.mark.parametrize("rounding", ["RNE", "RUP", "RTO"])
def test_no_finite_target_leaves_more_than_a_finite_residual(
    fmt: str, acc: str, rounding: str
) -> None:
    """A residual that is NaN or infinite shows at the weight: its flags, or that it is NaN too."""
    narrow, wide = parse_format(fmt, "fmt"), parse_format(acc, "acc")
    rng = np.random.default_rng([20, BYTES.index(fmt)])
    w, r, u = rng.integers(0, 1 << 8, 4000), *rng.integers(0, 1 << wide.width, (2, 4000))
    # Near the largest weight too, where rounding reaches beyond the target.
    w[:400], u[:400] = narrow.max_code - rng.integers(0, 4, 400), 0
    y, left, flags = weight_update(w, r, u, fmt=fmt, acc=acc, rounding=rounding, flags=True)
    lost = np.array([not np.isfinite(wide.value(int(code))) for code in left])
    shown = np.array([narrow.is_nan(int(code)) for code in y]) | (flags & 0b1001 != 0)
    assert not (lost & ~shown).any()
    assert 1000 < (~lost).sum() < 4000
