"""Amaranth units: from validated parameters to a component with one stream in and one out."""

from typing import Any

from ..parameters import DotParameters, MacParameters, UnitParameters
from .numbers.stream_unit import StreamUnit
from .units.converters import Convert, Dequantizer, Quantizer
from .units.elementwise import FpAdd, FpMax, Relu
from .units.exact_mac import ExactMac
from .units.fused_dot import PairDot, WideDot
from .units.loss_scale import LossScale
from .units.mac import Mac
from .units.mul import Mul
from .units.sgd_update import SgdUpdate
from .units.to_fixed import ToFixed
from .units.weight_update import WeightUpdate

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
    "sgd_update": SgdUpdate,
    "loss_scale": LossScale,
    "to_fixed": ToFixed,
}


def create(parameters: UnitParameters) -> StreamUnit:
    """The component that these parameters describe."""
    if isinstance(parameters, MacParameters) and parameters.is_exact:
        return ExactMac(parameters)
    if isinstance(parameters, DotParameters):
        return (PairDot if parameters.semantics == "fmma" else WideDot)(parameters)
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
    "PairDot",
    "Quantizer",
    "Relu",
    "SgdUpdate",
    "StreamUnit",
    "ToFixed",
    "WeightUpdate",
    "WideDot",
    "create",
]
