"""The parameters of each unit: one validated object for hardware, golden model and manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import check_choice
from .base import UnitParameters
from .convert import (
    ConverterParameters,
    ConvertParameters,
    DequantizerParameters,
    QuantizerParameters,
)
from .core import CoreParameters
from .core_cycles import CoreCycles, JobTimes, core_cycles, sequence_cycles
from .dot import DotParameters
from .elementwise import FpAddParameters, FpMaxParameters, FpMulParameters, ReluParameters
from .mac import MacParameters
from .product import MulParameters, TwoOperandParameters
from .scaling import LossScaleParameters
from .to_fixed import ToFixedParameters
from .update import SgdUpdateParameters, WeightUpdateParameters

UNITS: dict[str, type[UnitParameters]] = {
    cls.unit: cls
    for cls in (
        QuantizerParameters,
        DequantizerParameters,
        ConvertParameters,
        MulParameters,
        MacParameters,
        DotParameters,
        FpAddParameters,
        FpMulParameters,
        FpMaxParameters,
        ReluParameters,
        WeightUpdateParameters,
        SgdUpdateParameters,
        LossScaleParameters,
        ToFixedParameters,
    )
}
"""Every unit with one stream in and one stream out, by name."""

GENERATED: dict[str, type[UnitParameters]] = {**UNITS, CoreParameters.unit: CoreParameters}
"""Everything that Verilog is generated for, by name: the units and the core."""


def unit_parameters(unit: object, given: Mapping[str, Any]) -> Any:
    """The parameter object of a unit or the core, from a mapping of names to values.

    Raises
    ------
    ParameterError
        For an unknown unit, an unknown parameter or a value that is not allowed.
    """
    return GENERATED[check_choice("unit", unit, GENERATED)].from_mapping(given)


__all__ = [
    "GENERATED",
    "UNITS",
    "ConvertParameters",
    "ConverterParameters",
    "CoreCycles",
    "CoreParameters",
    "DequantizerParameters",
    "DotParameters",
    "FpAddParameters",
    "FpMaxParameters",
    "FpMulParameters",
    "JobTimes",
    "LossScaleParameters",
    "MacParameters",
    "MulParameters",
    "QuantizerParameters",
    "ReluParameters",
    "SgdUpdateParameters",
    "ToFixedParameters",
    "TwoOperandParameters",
    "UnitParameters",
    "WeightUpdateParameters",
    "core_cycles",
    "sequence_cycles",
    "unit_parameters",
]
