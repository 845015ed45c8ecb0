"""The arrays that a model is given: checked against its inputs, and cut into batches;
and what the model gave for these, joined."""

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
    array = np.asarray(array)
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
        if array.dtype.kind in "iu" and wanted.kind in "iu" and not fits:
            raise ParameterError(
                f"{label} is not allowed: it holds numbers from {array.min()} to {array.max()}, "
                f"and the model takes {wanted}"
            )
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
    if len({len(array) for array in arrays.values() if array.ndim}) > 1:
        shapes = ", ".join(f"{name} {array.shape!r}" for name, array in arrays.items())
        raise ParameterError(
            f"{what}: shapes {shapes} are not allowed: the model runs more than once, and all must "
            "have as many samples along their first axis"
        )


def _open(one: ValueInfoProto) -> bool:
    """Whether the model leaves the length of an input's first axis to the user."""
    dims = _dims(one)
    return dims is None or (bool(dims) and not isinstance(dims[0], int))


def samples(graph: Graph, arrays: Arrays) -> int:
    """How many samples arrays hold: the length of the first axis of the inputs of which the model
    leaves it open, or else of all.

    Where they have several lengths it is that of the model's first input: others then are states,
    or sizes. Without any axis it is 1.
    """
    having = [one for one in graph.inputs if arrays[one.name].ndim]
    having = [one for one in having if _open(one)] or having
    return int(arrays[having[0].name].shape[0]) if having else 1


def cut(graph: Graph, arrays: Arrays, most: int | None) -> list[str]:
    """Names of the arrays that are given ``most`` samples at a time; none where all are given at
    once, or as many at a time as the model says.

    Those are cut of which the model leaves the first axis open; of others it must say every length,
    so that it is sure that no axis of theirs is one of samples.
    """
    if most is None or max(_repeats(graph, arrays).values(), default=1) > 1:
        return []
    names, lengths = [], set()
    for one in graph.inputs:
        if _open(one) and arrays[one.name].ndim:
            names.append(one.name)
            lengths.add(len(arrays[one.name]))
        elif not all(isinstance(dim, int) for dim in _dims(one) or ()):
            return []
    return names if len(lengths) == 1 and max(lengths) > most else []


def batches(graph: Graph, arrays: Arrays, most: int | None = None) -> Iterator[dict[str, Any]]:
    """The arrays, ``most`` samples along the first axis at a time.

    Where the model says how long that axis is, so many. None is all, where it says nothing; and all
    it is, too, where `cut` names no array.
    """
    repeats, step = _repeats(graph, arrays), most or 1
    names, count = cut(graph, arrays, most), samples(graph, arrays)
    if max(repeats.values(), default=1) > 1:
        names = [name for name, array in arrays.items() if array.ndim]
        step = count // max(repeats.values())
    if not names:
        yield dict(arrays)
        return
    for start in range(0, count, step):
        yield {
            name: array[start : start + step] if name in names else array
            for name, array in arrays.items()
        }


def joined(parts: list[dict[str, Any]], once: set[str]) -> dict[str, Any]:
    """The outputs of all batches, along the first axis; of sequences, all that is in them. Those
    named ``once`` are the same in each.

    Raises
    ------
    ParameterError
        For outputs that do not fit together.
    """
    if len(parts) == 1:
        return parts[0]
    found: dict[str, Any] = {}
    for name in parts[0] if parts else ():
        every = [part[name] for part in parts]
        if name in once:
            found[name] = every[0]
        elif isinstance(every[0], list):
            found[name] = [one for each in every for one in each]
        elif len({np.shape(one)[1:] for one in every}) > 1:
            shapes = ", ".join(map(str, dict.fromkeys(np.shape(one) for one in every)))
            raise ParameterError(
                f"inputs are not allowed: output {name!r} has the shapes {shapes} in several "
                "batches, which do not fit together; give fewer samples, or another batch"
            )
        else:
            found[name] = np.concatenate(every) if np.ndim(every[0]) else np.stack(every)
    return found
