"""A user's matrices for the core: which arrays it takes, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import parse_operand
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.rounding import FLAGS

from ..simulation.user_arrays import codes_of, format_named, integers_of
from .program import Codes, check_streams
from .tiling import slices


@dataclass(frozen=True)
class Matrices:
    """Operands as the core takes them.

    Members
    -------
    a, b : ndarray
        Codes, (M, K) and (K, N).
    bias : ndarray or None
        Codes of the accumulator's format, (N,).
    mode_a, mode_b : int
    reals : dict of ndarray
        The numbers that the user gave, in binary64, by name.
    flags : dict of int
        How often each flag was set when values were rounded to the formats of the operands; codes
        that are taken as they are have no flags.
    """

    a: Codes
    b: Codes
    bias: Codes | None
    mode_a: int
    mode_b: int
    reals: dict[str, NDArray[np.float64]]
    flags: dict[str, int]

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of C."""
        return self.a.shape[0], self.b.shape[1]

    @property
    def exact(self) -> NDArray[np.float64]:
        """What the numbers that the user gave amount to, in binary64."""
        return self.reals["a"] @ self.reals["b"] + self.reals.get("bias", 0.0)


def prepare_matrices(p: CoreParameters, arrays: Mapping[str, NDArray[Any]]) -> Matrices:
    """Check a user's arrays and make codes of them.

    Parameters
    ----------
    arrays : mapping of ndarray
        ``a`` (M, K) and ``b`` (K, N), with ``epilogue=full`` also ``bias`` (N,); ``a_format``,
        ``b_format``, ``bias_format`` and what dtypes mean are as in
        `verif.simulation.user_arrays.prepare`. ``mode_a``, ``mode_b``, by default 0: one integer
        each, where the operand is HFP8.

    Raises
    ------
    ParameterError
        For a core without streams; for missing and unknown arrays, dtypes, values and shapes that
        are not allowed; for more products in a sum than the core's ``terms`` or its pages hold,
        where it cannot be split (`verif.core.tiling.slices`).
    """
    check_streams(p)
    formats = {"a": p.a, "b": p.b} | ({"bias": p.acc} if p.epilogue == "full" else {})
    modes = [f"mode_{name}" for name in ("a", "b") if len(parse_operand(formats[name])) > 1]
    allowed = [*formats, *modes, *(f"{name}_format" for name in formats)]
    if not {"a", "b"} <= set(arrays):
        raise ParameterError(
            f"inputs={sorted(arrays)!r} is not allowed: core needs the arrays a, b"
        )
    if "bias" in arrays and "bias" not in formats:
        raise ParameterError(
            f"array 'bias' is not allowed for epilogue={p.epilogue!r}: only full adds a bias"
        )
    for name in arrays:
        if name not in allowed:
            raise ParameterError(
                f"array {name!r} is not allowed: core with these parameters takes "
                f"{', '.join(allowed)}"
            )
    _check_shapes(arrays["a"], arrays["b"], arrays.get("bias"))
    slices(p, arrays["a"].shape[0], arrays["b"].shape[1], arrays["a"].shape[1])
    chosen = {name: _mode(name, arrays[name]) if name in arrays else 0 for name in modes}
    codes: dict[str, Codes] = {}
    reals: dict[str, NDArray[np.float64]] = {}
    rounded = np.zeros(len(FLAGS), np.int64)
    with np.errstate(all="ignore"):
        for name in formats:
            if name not in arrays:
                continue
            port = {"format": formats[name]}
            mode = np.array(chosen.get(f"mode_{name}", 0))
            found, reals[name], raised = codes_of(
                name, arrays[name], port, format_named(name, arrays), mode=mode
            )
            codes[name] = np.asarray(found, np.uint32)
            rounded += [int((raised >> k & 1).sum()) for k in range(len(FLAGS))]
    flags = {name: int(count) for name, count in zip(FLAGS, rounded, strict=True)}
    return Matrices(
        codes["a"], codes["b"], codes.get("bias"), chosen.get("mode_a", 0),
        chosen.get("mode_b", 0), reals, flags,
    )  # fmt: skip


def _check_shapes(a: NDArray[Any], b: NDArray[Any], bias: NDArray[Any] | None) -> None:
    words = f"shapes a {a.shape!r}, b {b.shape!r} are not allowed"
    if a.ndim != 2 or b.ndim != 2:
        raise ParameterError(f"{words}: two axes each, a is (M, K) and b is (K, N)")
    if a.shape[1] != b.shape[0]:
        raise ParameterError(f"{words}: a is (M, K) and b is (K, N), with one K")
    if 0 in (*a.shape, *b.shape):
        raise ParameterError(f"{words}: there is nothing to compute")
    if bias is not None and bias.shape != b.shape[1:]:
        raise ParameterError(
            f"array 'bias' of shape {bias.shape!r} is not allowed: {b.shape[1:]}, a number for "
            "each column of b"
        )


def _mode(name: str, values: NDArray[Any]) -> int:
    if values.size != 1:
        raise ParameterError(
            f"array {name!r} of shape {values.shape!r} is not allowed: one mode for the matrix"
        )
    return int(integers_of(name, values, 1).reshape(-1)[0])
