"""The registers of a core, for a program that starts jobs."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import RunError
from ..jobs import REASONS, Addresses, GemmJob, JobError
from ..parameters import CoreParameters
from ..registers import (
    COUNTERS,
    OTHER_ERRORS,
    fixed_words,
    job_words,
    packed,
    register,
    unpacked,
)


class CoreRegisters:
    """Starts jobs of a core, waits for them, and reads what it counts.

    Operands and results do not come this way; they have streams of their own.

    Parameters
    ----------
    read : callable
        ``read(address)`` gives the word of 32 bits at a byte address.
    write : callable
        ``write(address, word)`` writes it.
    patience : float, optional
        Seconds after which a wait gives up; 10 by default.
    write_many : callable, optional
        ``write_many(address, *words)`` writes words at an address and the following ones, where
        that is quicker than one by one.

    Examples
    --------
    >>> memory = {0x00: 0x48465038}
    >>> core = CoreRegisters(lambda address: memory.get(address, 0), memory.__setitem__)
    >>> core.fields("STATUS")
    {'busy': 0, 'full': 0}
    >>> core.start(GemmJob(m=2, n=3, k=4))
    >>> memory[0x10], memory[0x14], memory[0x18]
    (2, 3, 4)
    """

    def __init__(
        self,
        read: Callable[[int], int],
        write: Callable[[int, int], None],
        *,
        patience: float = 10.0,
        write_many: Callable[..., None] | None = None,
    ) -> None:
        self._read, self._write, self.patience = read, write, patience
        self._write_many = write_many

    def word(self, name: str) -> int:
        """The word of a register.

        Raises
        ------
        ParameterError
            If there is no such register.
        """
        return self._read(register(name).address)

    def fields(self, name: str) -> dict[str, int]:
        """The fields of a register, by name."""
        return unpacked(name, self.word(name))

    def set(self, name: str, **fields: int) -> None:
        """Write a register; fields that are not named become 0.

        Raises
        ------
        ParameterError
            If the register or a field does not exist, or a value does not fit.
        """
        self._write(register(name).address, packed(name, fields))

    def check(self, parameters: CoreParameters) -> None:
        """Make sure that this is a core, and the one that these parameters describe.

        Raises
        ------
        RunError
            If it is not; the text says which register differs.
        """
        for name, due in fixed_words(parameters).items():
            found = self.word(name)
            if found != due:
                raise RunError(
                    f"the core's register {name} reads {found:#010x}, and {due:#010x} is due: "
                    + ("this is no core" if name == "ID" else "this core was generated otherwise")
                )

    def start(
        self, job: GemmJob, addresses: Addresses | None = None, *, room: bool = False
    ) -> None:
        """Put a job into the queue, once there is room for it.

        With ``ports=memory`` the core takes ``addresses``; those not given stay as they are. With
        ``room`` the caller knows that the queue is not full, and the core is not asked.

        Raises
        ------
        RunError
            If the queue stays full for ``patience`` seconds.
        """
        if not room:
            self._wait(lambda: not self.fields("STATUS")["full"], "the queue stayed full")
        words = job_words(job, addresses)
        placed = [(register(name).address, word) for name, word in words.items()]
        if self._write_many is None:
            for address, word in placed:
                self._write(address, word)
            return
        while placed:
            first = placed[0][0]
            count = next(
                (k for k, (at, _) in enumerate(placed) if at != first + 4 * k), len(placed)
            )
            self._write_many(first, *(word for _, word in placed[:count]))
            placed = placed[count:]

    def wait_idle(self) -> None:
        """Wait until all jobs are done and their results are taken; no error is looked for.

        Raises
        ------
        RunError
            After ``patience`` seconds.
        """
        self._wait(lambda: not self.fields("STATUS")["busy"], "the core stayed busy")

    def wait(self) -> None:
        """Wait until all jobs are done and their results are taken.

        Raises
        ------
        RunError
            After ``patience`` seconds, or if a job was refused, or a matrix did not end where its
            stream did.
        """
        self.wait_idle()
        self.check_error()

    def check_error(self) -> None:
        """Clear the first error since the last time, and raise it.

        Raises
        ------
        RunError
            If there was one.
        """
        error = self.fields("ERROR")
        if not any(error.values()):
            return
        self.set("ERROR")
        code = error.pop("code")
        others = dict(OTHER_ERRORS.values())
        if code in others:
            raise RunError(others[code])
        if code:
            raise RunError(f"the core refused a job: error {code}, {REASONS[JobError(code)]}")
        streams = " and ".join(name[-1].upper() for name, value in error.items() if value)
        raise RunError(f"TLAST of {streams} was not at the end of a matrix")

    def enable_interrupts(self, **causes: int) -> None:
        """Choose what raises the output ``irq``: the fields of INTERRUPT_ENABLE, 1 or 0.

        Raises
        ------
        ParameterError
            If there is no such cause.
        """
        self.set("INTERRUPT_ENABLE", **causes)

    def interrupts(self) -> tuple[str, ...]:
        """The causes that are pending, enabled or not; they are cleared, no later ones."""
        pending = self.fields("INTERRUPT_PENDING")
        self.set("INTERRUPT_PENDING", **pending)
        return tuple(name for name, value in pending.items() if value)

    def counters(self) -> dict[str, int]:
        """The counters of `hfp8_hw.registers.COUNTERS`, each read whole."""
        return {name: self.counter(name) for name in COUNTERS}

    def counter(self, name: str) -> int:
        """One of them."""
        # Reading the lower half keeps the upper one.
        return self.word(f"{name}_LOW") | self.word(f"{name}_HIGH") << 32

    def _wait(self, done: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + self.patience
        while not done():
            if time.monotonic() > end:
                counted = ", ".join(f"{name} {value}" for name, value in self.counters().items())
                raise RunError(f"{otherwise} for {self.patience:g} seconds: {counted}")
