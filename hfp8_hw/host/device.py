"""A board as Python sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, RunError, shown
from ..oscillators import check_board
from ..parameters import UnitParameters, unit_parameters
from ..protocol import BASE_BAUD, MAX_PAYLOAD, Opcode, Refusal, most_stored
from ..records import stream_record
from .columns import packed, unpacked
from .link import MARGIN, WAITS, Facts, Link, LinkError, Refused, SessionLost
from .transport import SerialPort, Transport, split_url

T = TypeVar("T")

RESTARTS = 8
"""How often a run is begun again because the board was reset."""


class Device:
    """A board with a design on it.

    Parameters
    ----------
    transport : Transport
    patience : float
        As `Link` has it.
    fast : bool
        Negotiate a faster rate than `BASE_BAUD`.
    stays : bool
        The board goes on without this host, so `close` takes it back to `BASE_BAUD`.
    margin, waits : float
        As `Link` has them.

    Raises
    ------
    LinkError
        If nothing answers.

    Examples
    --------
    ``with Device.open("serial:///dev/ttyUSB0") as board:`` makes sure that the port is let go of.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        patience: float = 1.0,
        fast: bool = True,
        stays: bool = True,
        margin: float = MARGIN,
        waits: float = WAITS,
    ) -> None:
        self._transport, self._fast, self._stays = transport, fast, stays
        self.link = Link(transport, patience, margin=margin, waits=waits)
        try:
            self._begin()
        except BaseException:
            self._transport.close()
            raise

    def _begin(self) -> None:
        self.link.find()
        if self._fast:
            self.link.speed_up()

    @classmethod
    def open(cls, url: str, parameters: Any = None) -> Device:
        """Open a board.

        Parameters
        ----------
        url : str
            ``serial://PATH`` for a serial port, ``sim://BOARD`` for a simulated board,
            ``sim://BOARD@MHZ`` for one with another clock than its oscillator's.
        parameters : UnitParameters, optional
            What is on the simulated board.

        Raises
        ------
        ParameterError
            For another URL, for parameters that are no unit's, or if there is no such board or its
            PLL cannot make the clock.
        RunError
            If the port cannot be opened, or nothing answers.
        """
        kind, rest = split_url(url)
        if kind == "serial":
            return cls(SerialPort(rest, BASE_BAUD))
        check_board(rest, f"device={url!r}")
        from .simulated import SimulatedBoard, patience

        if parameters is not None and not isinstance(parameters, UnitParameters):
            raise ParameterError(
                f"parameters={shown(parameters)} is not allowed: those of a unit, such as "
                "QuantizerParameters()"
            )
        return cls(SimulatedBoard(rest, parameters), patience=patience(), stays=False)

    @property
    def facts(self) -> Facts:
        """What the board says of itself."""
        return self.link.facts

    def check(self, manifest: Mapping[str, Any]) -> None:
        """Make sure that the design on the board is the one that a manifest describes.

        Raises
        ------
        RunError
            If it is another one.
        """
        due = bytes.fromhex(manifest["sha256"])[:8]
        if self.facts.manifest != due:
            what = "load the right bitstream"
            if _named(manifest):
                what += ", or take the manifest of the same parameters without a name of your own"
            raise RunError(
                f"the design on the board is another one than {manifest['name']}: its hash is "
                f"{self.facts.manifest.hex()}, and {due.hex()} is due; {what}"
            )

    def run(
        self,
        manifest: Mapping[str, Any],
        columns: Mapping[str, NDArray[Any]],
        progress: Callable[[int], None] = lambda _: None,
    ) -> dict[str, NDArray[Any]]:
        """Put transfers through a unit.

        Parameters
        ----------
        manifest : mapping
            Of the unit; as `check`.
        columns : mapping of (transfers,) integer ndarray
            One for each input port, such as ``i_a``; negative integers are two's complement. A unit
            that sums gives a result for each ``i_last``.
        progress : callable
            Is told how many results have come, all together.

        Returns
        -------
        dict of (results,) ndarray
            By output port.

        Raises
        ------
        ParameterError
            If a port has no column, or a column holds what the port does not take.
        RunError
            If another design is on the board, or it does not answer, refuses, or is reset
            `RESTARTS` times.
        """
        self.check(manifest)
        inputs, outputs = stream_record(manifest, "i_"), stream_record(manifest, "o_")
        items = packed(inputs, columns)
        ends = columns.get("i_last")
        gives = np.ones(len(items), np.bool_) if ends is None else np.asarray(ends).astype(np.bool_)
        results = self.again(lambda: self.exchange(items, gives, progress))
        return {f"o_{name}": values for name, values in unpacked(outputs, results).items()}

    def again(self, action: Callable[[], T]) -> T:
        """What an action gives that begins with `reset`; done again if the board was reset.

        Raises
        ------
        RunError
            If it was `RESTARTS` times, does not answer, or has another design since.
        """
        for _ in range(RESTARTS):
            try:
                return action()
            except (SessionLost, LinkError):
                # After a reset the board is at its first rate again, and may not hear us.
                before = self.facts.manifest
                try:
                    self._begin()
                except LinkError as error:
                    raise LinkError(f"in mid-run {error}") from None
                if self.facts.manifest != before:
                    raise RunError("in mid-run the board was loaded with another design") from None
        raise RunError(f"the board was reset {RESTARTS} times in mid-run")

    def reset(self) -> None:
        """Reset the design, and drop the results that wait; raises as `Link.request`."""
        self.link.request(Opcode.RESET)

    def load(self, items: NDArray[np.uint8], stream: int = 0, last: bool = False) -> None:
        """Give items to an input stream; ``last`` ends a packet. Raises as `Link.request`."""
        step = (MAX_PAYLOAD - 2) // self.facts.item
        for first in range(0, len(items), step):
            ends = last and first + step >= len(items)
            head = (stream | ends << 15).to_bytes(2, "little")
            part = items[first : first + step]
            self.link.request(Opcode.LOAD, head + part.tobytes(), answer=2)

    def store(self, count: int) -> NDArray[np.uint8]:
        """Fetch results: (count, bytes of a result).

        Raises
        ------
        RunError
            If they do not come in time; else as `Link.request`.
        """
        most = most_stored(self.facts.results, self.facts.result)
        parts = [self._store(min(most, count - k)) for k in range(0, count, most)]
        return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, self.facts.result)

    def exchange(
        self,
        items: NDArray[np.uint8],
        gives: NDArray[np.bool_],
        progress: Callable[[int], None] = lambda _: None,
    ) -> NDArray[np.uint8]:
        """Reset the design, send items, and fetch the results that some of them give.

        Parameters
        ----------
        items : ndarray of uint8
            (transfers, bytes of an item).
        gives : ndarray of bool
            (transfers,): a result follows.

        Raises
        ------
        SessionLost, LinkError, Refused
            As `Link.request`.
        """
        facts = self.facts
        if items.shape[1] != facts.item:
            raise RunError(
                f"an item on the board has {facts.item} bytes, and {items.shape[1]} are due"
            )
        self.reset()
        most = most_stored(facts.results, facts.result)
        step = (MAX_PAYLOAD - 2) // facts.item
        total = np.concatenate([[0], np.cumsum(gives)])
        found: list[bytes] = []
        sent = stored = 0
        while stored < total[-1] or sent < len(items):
            # As many as the board has room for: the flow control.
            room = stored + most
            end = min(sent + step, int(np.searchsorted(total, room, side="right")) - 1)
            if end > sent:
                self.load(items[sent:end])
                sent = end
            owed = int(total[sent]) - stored
            full = int(np.searchsorted(total, room, side="right")) - 1 <= sent
            if owed and (full or sent == len(items)):
                found.append(self._store(owed))
                stored += owed
                progress(stored)
        data = np.frombuffer(b"".join(found), np.uint8)
        return data.reshape(-1, facts.result)

    def _store(self, count: int) -> bytes:
        """Fetch some results.

        Raises
        ------
        RunError
            If they do not come, with what the counters read; otherwise as `Link.request`.
        """
        size = count * self.facts.result
        try:
            data = self.link.request(Opcode.STORE, count.to_bytes(2, "little"), answer=size)
        except Refused as error:
            if error.why != Refusal.TIMEOUT:
                raise
            counted = ", ".join(f"{k} {v}" for k, v in self.link.counters().items())
            raise RunError(
                f"{count} result{'s' * (count != 1)} did not come in time: {counted}"
            ) from None
        if len(data) != size:
            raise RunError(f"the board gave {len(data)} bytes of results where {size} are due")
        return data

    def close(self) -> None:
        """Let go of the board, at the rate that it has after a reset if it still answers."""
        try:
            if self._stays:
                with suppress(RunError):
                    self.link.slow_down()
        finally:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _named(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest's design has another name than its parameters give it."""
    try:
        parameters = unit_parameters(manifest["unit"], manifest["parameters"])
    except (KeyError, ParameterError):
        return False
    return parameters.top != manifest["name"]
