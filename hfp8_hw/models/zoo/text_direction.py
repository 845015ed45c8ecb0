"""Which way up a line of text is: rapidocr's classifier."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data.lines import Line, drawn
from .example import Arrays, Example, share
from .packages import file_of


class TextDirection(Example):
    """A MobileNetV3 of 53 convolutions, 11 of them depthwise: 16 million multiply-adds a line."""

    name = "text_direction"
    about = "whether a drawn line of text is upside down (rapidocr-onnxruntime 1.4.4)"
    batch = 50

    def model(self) -> bytes:
        """The package's file."""
        name = "models/ch_ppocr_mobile_v2.0_cls_infer.onnx"
        return file_of("rapidocr_onnxruntime", name).read_bytes()

    def calibration(self) -> Arrays:
        """200 lines."""
        return {"x": _lines(200, 2)[0]}

    def evaluation(self) -> Arrays:
        """1000 lines, every other one turned."""
        return {"x": _lines(1000, 1)[0]}

    def score(self, answers: list[Any], fp32: list[Any]) -> float:
        """Percent of the lines said right."""
        return share(answers, _lines(1000, 1)[1])


@cache
def _lines(count: int, seed: int) -> tuple[Line, NDArray[np.int64]]:
    return drawn(count, seed)
