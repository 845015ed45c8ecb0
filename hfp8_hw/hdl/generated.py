"""What all generated components share: each is built from one kind of parameters, and no other."""

from __future__ import annotations

from typing import Any, ClassVar, Self, TypeVar

from amaranth.lib import wiring

from ..errors import ParameterError
from ..parameters import GENERATED, UnitParameters

P = TypeVar("P")

_CLASSES: list[type[Generated]] = []


def class_for(parameters: object) -> type[Generated] | None:
    """The class that builds the unit of these parameters; None if there is none."""
    return next((cls for cls in _CLASSES if cls.builds(parameters)), None)


class Generated(wiring.Component):
    """A component that refuses parameters of another unit, and names the class that takes them.

    Members
    -------
    units : tuple of str
        Names of the units that the class builds; none of a class that only others derive from.
    semantics : tuple of str
        Of units that sum: the semantics that it builds.
    """

    units: ClassVar[tuple[str, ...]] = ()
    semantics: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "units" in vars(cls):
            _CLASSES.append(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Checked before there is a component that Amaranth would warn of as never used.
        if cls.units:
            cls.checked(*args, **kwargs)
        made: Self = super().__new__(cls, src_loc_at=1)
        return made

    @classmethod
    def builds(cls, parameters: object) -> bool:
        """Whether the class builds the unit of these parameters."""
        if not isinstance(parameters, UnitParameters):
            return False
        if getattr(parameters, "unit", None) not in cls.units:
            return False
        return not cls.semantics or getattr(parameters, "semantics", None) in cls.semantics

    @classmethod
    def checked(cls, parameters: P) -> P:
        """The parameters, if the class builds their unit.

        Raises
        ------
        ParameterError
            Otherwise; it names the class that does.
        """
        if cls.builds(parameters):
            return parameters
        allowed = " or ".join(GENERATED[unit].__name__ for unit in cls.units)
        if cls.semantics:
            allowed += f" with semantics {' or '.join(cls.semantics)}"
        text = f"parameters={parameters!r} is not allowed for {cls.__name__}: {allowed}"
        right = class_for(parameters)
        raise ParameterError(text if right is None else f"{text}; {right.__name__} builds this one")
