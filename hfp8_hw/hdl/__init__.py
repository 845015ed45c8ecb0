"""Amaranth units: from validated parameters to a component with one stream in and one out."""

from typing import Any

from ..parameters import UnitParameters
from .convert import Dequantizer, Quantizer
from .mac import Mac
from .mul import Mul
from .stream_unit import StreamUnit

_COMPONENTS: dict[str, Any] = {
    "quantizer": Quantizer,
    "dequantizer": Dequantizer,
    "mul": Mul,
    "mac": Mac,
}


def create(parameters: UnitParameters) -> StreamUnit:
    """The component that these parameters describe."""
    component: StreamUnit = _COMPONENTS[parameters.unit](parameters)
    return component


__all__ = ["Dequantizer", "Mac", "Mul", "Quantizer", "StreamUnit", "create"]
