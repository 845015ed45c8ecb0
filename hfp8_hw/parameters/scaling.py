"""Parameters of automatic loss scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..formats import check_loss_scale
from .base import Ports, UnitParameters, parameter, stages


@dataclass(frozen=True)
class LossScaleParameters(UnitParameters):
    """The loss scale after each step; see `hfp8_hw.golden.loss_scale`."""

    unit: ClassVar[str] = "loss_scale"
    summary: ClassVar[str] = "halves the loss scale on overflow, doubles it after clean steps"
    golden: ClassVar[str] = "hfp8_hw.golden:loss_scale"
    max_stages: ClassVar[int] = 1
    in_name: ClassVar[tuple[str, ...]] = ("initial", "growth", "floor", "ceiling")

    stages: int = stages(1, 1)
    initial: int = parameter(
        16, "Exponent of the scale after reset: the scale is 2**initial.", values="floor to ceiling"
    )
    growth: int = parameter(
        2000, "Number of steps without overflow after which the scale doubles.", values="1 to 65536"
    )
    floor: int = parameter(0, "Least exponent of the scale.", values="-64 to 63")
    ceiling: int = parameter(24, "Greatest exponent of the scale.", values="floor to 63")

    def _check(self) -> None:
        self._check_stages()
        check_loss_scale(self.initial, self.growth, self.floor, self.ceiling)

    @property
    def golden_arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("initial", "growth", "floor", "ceiling")}

    @property
    def golden_ports(self) -> Ports:
        return {"overflow": "i_overflow"}
