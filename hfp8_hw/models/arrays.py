"""The arrays that a model is given: checked against its inputs, and cut into batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ValueInfoProto, helper

from ..errors import ParameterError
from .graph import Graph

Arrays = Mapping[str, NDArray[Any]]


def checked(graph: Graph, arrays: Arrays, what: str = "inputs") -> dict[str, NDArray[Any]]:
    """What a model is given, in the types that it wants.

    A first axis may be a multiple of the length that the model says: the model then runs as often.

    Parameters
    ----------
    what : str
        What the user calls the arrays.

    Raises
    ------
    ParameterError
        For a missing or unknown array, a type or a shape that the model does not take, NaN and
        infinities, and axes of one name with several lengths.
    """
    names = [one.name for one in graph.inputs]
    for name in arrays:
        if name not in names:
            raise ParameterError(f"{what}: array {name!r} is not allowed: the model takes "
                                 f"{', '.join(names)}")  # fmt: skip
    lengths: dict[str, tuple[int, str]] = {}
    found = {}
    for one in graph.inputs:
        if one.name not in arrays:
            shape = _words(one)
            raise ParameterError(
                f"{what}: array {one.name!r} is missing: the model takes it{shape}"
            )
        found[one.name] = _typed(one, arrays[one.name], what)
        _check_shape(one, found[one.name], lengths, what)
    _check_repeats(graph, found, what)
    return found


def _dims(one: ValueInfoProto) -> list[int | str | None] | None:
    """Lengths, names or None of an input's axes; None if it has no shape."""
    tensor = one.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0
        else dim.dim_param or None for dim in tensor.shape.dim
    ]  # fmt: skip


def _words(one: ValueInfoProto) -> str:
    dims = _dims(one)
    if dims is None:
        return ""
    return f" with the shape ({', '.join('any' if d is None else str(d) for d in dims)})"


def _typed(one: ValueInfoProto, array: NDArray[Any], what: str) -> NDArray[Any]:
    label = f"{what}: array {one.name!r}"
    if one.type.WhichOneof("value") != "tensor_type":
        raise ParameterError(f"{label} is not allowed: the model takes no tensor there, but "
                             f"{one.type.WhichOneof('value')}")  # fmt: skip
    wanted = helper.tensor_dtype_to_np_dtype(one.type.tensor_type.elem_type)
    if array.dtype != wanted:
        if wanted == np.dtype(object) and array.dtype.kind in "US":
            return array.astype(object)
        floats = array.dtype.kind == "f" and wanted.kind == "f"
        fits = array.dtype.kind in "iu" and wanted.kind in "iu" and (
            array.size == 0
            or np.iinfo(wanted).min <= array.min() <= array.max() <= np.iinfo(wanted).max
        )  # fmt: skip
        if not (floats or fits):
            raise ParameterError(
                f"{label} of type {str(array.dtype)!r} is not allowed: the model takes {wanted}"
            )
        with np.errstate(over="ignore"):
            array = array.astype(wanted)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        kind = "NaN" if np.isnan(array).any() else "an infinity"
        raise ParameterError(f"{label} is not allowed: it holds {kind}; finite numbers")
    return array


def _check_shape(
    one: ValueInfoProto, array: NDArray[Any], lengths: dict[str, tuple[int, str]], what: str
) -> None:
    dims, shape = _dims(one), array.shape
    label = f"{what}: array {one.name!r}"
    if array.size == 0:
        raise ParameterError(f"{label} of shape {shape!r} is not allowed: it is empty")
    if dims is None:
        return
    good = len(dims) == len(shape) and all(
        not isinstance(dim, int) or size == dim or (axis == 0 and size % dim == 0)
        for axis, (dim, size) in enumerate(zip(dims, shape, strict=False))
    )
    if not good:
        raise ParameterError(
            f"{label} of shape {shape!r} is not allowed: the model takes it{_words(one)}"
        )
    for dim, size in zip(dims, shape, strict=True):
        # Some writers call every axis "?".
        if isinstance(dim, str) and dim.isidentifier():
            before = lengths.setdefault(dim, (size, one.name))
            if before[0] != size and before[1] != one.name:
                raise ParameterError(
                    f"{label} of shape {shape!r} is not allowed: its axis {dim!r} is {size}, that "
                    f"of {before[1]!r} is {before[0]}"
                )


def _repeats(graph: Graph, arrays: Arrays) -> dict[str, int]:
    """By input how often the length that the model says goes into the first axis; 1 where it says
    none."""
    found = {}
    for one in graph.inputs:
        dims = _dims(one)
        fixed = dims[0] if dims and isinstance(dims[0], int) else 0
        found[one.name] = arrays[one.name].shape[0] // fixed if fixed else 1
    return found


def _check_repeats(graph: Graph, arrays: Arrays, what: str) -> None:
    repeats = _repeats(graph, arrays)
    if max(repeats.values(), default=1) == 1:
        return
    counts = {samples(array) for array in arrays.values()}
    if len(counts) > 1:
        shapes = ", ".join(f"{name} {array.shape!r}" for name, array in arrays.items())
        raise ParameterError(
            f"{what}: shapes {shapes} are not allowed: the model runs more than once, and all must "
            "have as many samples along their first axis"
        )


def samples(array: NDArray[Any]) -> int:
    """The length of the first axis; 1 of a scalar."""
    return int(array.shape[0]) if array.ndim else 1


def batches(graph: Graph, arrays: Arrays, most: int | None = None) -> Iterator[dict[str, Any]]:
    """The arrays, ``most`` samples along the first axis at a time.

    Where the model says how long that axis is, so many. None is all, where it says nothing.
    """
    repeats = _repeats(graph, arrays)
    counts = {samples(array) for array in arrays.values()}
    if max(repeats.values(), default=1) > 1:
        step = max(counts) // max(repeats.values())
    elif most is None or len(counts) != 1 or _fixed(graph):
        yield dict(arrays)
        return
    else:
        step = most
    for start in range(0, max(counts), step):
        yield {name: array[start : start + step] for name, array in arrays.items()}


def _fixed(graph: Graph) -> bool:
    return any(dims and isinstance(dims[0], int) for dims in map(_dims, graph.inputs))
