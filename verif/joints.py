"""Sums that meet the edges of the accumulator's format where chunks' sums are added."""

from __future__ import annotations

import numpy as np

from hfp8_hw.formats import parse_operand
from rtl_gen.package import Package

from .harness import payload
from .strata import chunk_of, sides, targets
from .vectors import Vectors

_MOST = 640
"""Sums of one product a clock; where there are more, simulators need that much longer."""


def joints(package: Package, rng: np.random.Generator, lanes: int) -> Vectors | None:
    """Sums that meet the edges of the accumulator's format where chunks' sums are added.

    Every target with its products in two chunks, cut in every place, or all of them in both; and
    a difference below the smallest value in two chunks, then once more in a third, and a product
    that is -0: the sum of two results that were rounded to zero. None for units without chunks,
    or with very long ones, those with run-time biases, and where products meet no edge.
    """
    manifest = package.manifest
    parameters, acc, chunk = manifest["parameters"], manifest["golden"]["arguments"].get("acc"), 0
    if parameters["semantics"] in ("chunked", "exact_chunk") and parameters["bias"] != "runtime":
        chunk = chunk_of(package)
    if not 1 < chunk <= 128 or acc == "fixed":
        return None
    names, formats = sides(package)
    sign, zero = formats[0][-1].sign_mask, (0, formats[1][-1].min_code)
    found: list[list[tuple[int, int]]] = []
    for picks, end in targets(formats[0], formats[1], parse_operand(acc)[0]):
        if len(picks) > chunk:
            continue
        for at in range(1, len(picks) + 1):
            rest = picks[at:] or picks
            found.append([*picks[:at], *[zero] * (chunk - at), *rest])
        if end and len(picks) == 2:
            once = [[pick, *[zero] * (chunk - 1)] for pick in picks]
            three = [*once[0], *once[1], *picks]
            found += [[(a ^ s, b) for a, b in three] + [(t, zero[1])]
                      for s in (0, sign) for t in (0, sign)]  # fmt: skip
    if not found:
        return None
    products = int(parameters.get("lanes", 1))
    most = max(_MOST // products, min(128, 1024 // products))
    chosen = [found[int(k)] for k in rng.permutation(len(found))[:most]]
    chosen.sort(key=len)
    turns = manifest["golden"]["sum"]["interleave"]
    ports = [field.port for field in payload(manifest, "in")[0]]
    frames = []
    for start in range(0, len(chosen), lanes * turns):
        some = chosen[start : start + lanes * turns]
        count = max(map(len, some))
        frame = {name: np.zeros((count * turns, lanes), np.int64) for name in ports}
        for place, picks in enumerate(some):
            turn, lane = divmod(place, lanes)
            turned = sign * (place % 2)
            for letter, side in (("a", 0), ("b", 1)):
                column = [pick[side] ^ (turned if side == 0 else 0) for pick in picks]
                frame[names[letter][0]][turn::turns, lane][: len(picks)] = column
        for name in ports:
            if name.startswith("i_mode"):
                frame[name][:] = 1
        frame["i_first"][:turns] = 1
        frame["i_last"][-turns:] = 1
        frames.append(frame)
    return {name: np.concatenate([frame[name] for frame in frames]) for name in ports}
