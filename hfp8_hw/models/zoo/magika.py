"""What type a file is: magika's network."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data.samples import chosen
from .example import Arrays, Example, share
from .packages import file_of, needed


class MagikaTypes(Example):
    """Layers of 64 and 512 units over the bytes at both ends of a file: 367 million multiply-adds
    a file."""

    name = "magika"
    unit = "agreement %"
    about = "what type a file of this machine is (magika 1.0.3)"
    batch = 8

    def model(self) -> bytes:
        """The package's file."""
        return file_of("magika", "models/standard_v3_3/model.onnx").read_bytes()

    def calibration(self) -> Arrays:
        """A file of each suffix in `samples`, where there is one."""
        return {"bytes": _features("calibration")}

    def evaluation(self) -> Arrays:
        """At most 3 other files of each suffix."""
        return {"bytes": _features("evaluation")}

    def score(self, answers: list[Any], fp32: list[Any]) -> float:
        """Percent of the files of which it says what FP32 says: what they are nobody knows."""
        return share(answers, fp32)


class _Seen(Exception):
    """Ends what magika does when its network would start."""


class _Tap:
    """Takes the place of magika's session and keeps what the network is given."""

    def __init__(self) -> None:
        self.features: NDArray[np.int32] | None = None

    def run(self, outputs: Any, inputs: dict[str, Any]) -> Any:
        """Keep the inputs and stop."""
        self.features = np.asarray(inputs["bytes"], np.int32)
        raise _Seen


@cache
def _features(which: str) -> NDArray[np.int32]:
    """What magika itself gives to its network: (n, 2048). Files that it judges without are left
    out."""
    program = needed("magika").Magika()
    tap = _Tap()
    program._onnx_session = tap
    found = [_tapped(program, tap, path) for path in chosen(which)]
    return np.concatenate([features for features in found if features is not None])


def _tapped(program: Any, tap: _Tap, path: Path) -> NDArray[np.int32] | None:
    tap.features = None
    try:
        program.identify_path(path)
    except _Seen:
        return tap.features
    return None
