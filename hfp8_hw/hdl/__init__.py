"""Amaranth units: from validated parameters to a component with one stream in and one out."""

from typing import Any

from ..parameters import MacParameters, UnitParameters
from .convert import Convert, Dequantizer, Quantizer
from .elementwise import FpAdd, FpMax, Relu
from .mac import Mac
from .mac_exact import ExactMac
from .mul import Mul
from .scaling import LossScale
from .stream_unit import StreamUnit
from .update import WeightUpdate

_COMPONENTS: dict[str, Any] = {
    "quantizer": Quantizer,
    "dequantizer": Dequantizer,
    "mul": Mul,
    "mac": Mac,
    "dot": ExactMac,
    "convert": Convert,
    "fp_add": FpAdd,
    "fp_mul": Mul,
    "fp_max": FpMax,
    "relu": Relu,
    "weight_update": WeightUpdate,
    "loss_scale": LossScale,
}


def create(parameters: UnitParameters) -> StreamUnit:
    """The component that these parameters describe."""
    if isinstance(parameters, MacParameters) and parameters.is_exact:
        return ExactMac(parameters)
    component: StreamUnit = _COMPONENTS[parameters.unit](parameters)
    return component


__all__ = [
    "Convert",
    "Dequantizer",
    "ExactMac",
    "FpAdd",
    "FpMax",
    "LossScale",
    "Mac",
    "Mul",
    "Quantizer",
    "Relu",
    "StreamUnit",
    "WeightUpdate",
    "create",
]
