"""Amaranth units: from validated parameters to a component with one stream in and one out.

`create` is the way in: it picks the class for the parameters. The component goes into a design of
one's own as a submodule; its class's docstring names the fields of the payloads ``i.payload`` and
``o.payload``, and ``parameters.latency`` counts the clocks in between:

>>> from amaranth.hdl import Module, Signal
>>> from hfp8_hw import hdl
>>> from hfp8_hw.parameters import MacParameters
>>> parameters = MacParameters(a="HFP8_FWD", b="HFP8_FWD", semantics="exact_chunk")
>>> m = Module()
>>> m.submodules.mac = mac = hdl.create(parameters)
>>> type(mac).__name__, list(mac.inputs), list(mac.outputs)
('ExactMac', ['a', 'b', 'first', 'last'], ['y', 'flags'])
>>> weight, activation = Signal(8), Signal(8)
>>> m.d.comb += [mac.i.payload.a.eq(weight), mac.i.payload.b.eq(activation), mac.i.valid.eq(1)]

The classes may be called too; one that does not build the unit of its parameters says so and
names the one that does (`generated`):

>>> hdl.Mac(parameters)
Traceback (most recent call last):
    ...
hfp8_hw.errors.ParameterError: parameters=MacParameters(...) is not allowed for Mac: \
MacParameters with semantics fma or chunked; ExactMac builds this one

Other than in `amaranth.lib.crc`, the parameters have no method ``create`` of their own: the golden
model and the command line share them, and work without Amaranth.
"""

from typing import Any

from ..errors import ParameterError
from ..parameters import UnitParameters
from .core.axi.axi_core import AxiCore
from .core.memory.memory_core import MemoryCore
from .generated import class_for
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


def create(parameters: UnitParameters) -> StreamUnit | AxiCore | MemoryCore:
    """The component that these parameters describe: a unit, or the core.

    Raises
    ------
    ParameterError
        For anything else than the parameters of one of the units.
    """
    component = class_for(parameters)
    if component is None:
        raise ParameterError(
            f"parameters={parameters!r} is not allowed: the parameters of a unit, such as "
            "MacParameters()"
        )
    make: Any = component
    made: StreamUnit | AxiCore | MemoryCore = make(parameters)
    return made


__all__ = [
    "AxiCore",
    "Convert",
    "Dequantizer",
    "ExactMac",
    "FpAdd",
    "FpMax",
    "LossScale",
    "Mac",
    "MemoryCore",
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
