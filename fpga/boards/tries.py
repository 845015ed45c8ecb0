"""Synthesis and place-and-route of cores for one board; what is done once is kept, so that a search
that was interrupted goes on where it was."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hfp8_hw.parameters import CoreParameters
from rtl_gen.board import BoardModule, board_module
from rtl_gen.cache import built as kept

from .build import Built, Plan, place, plan, synthesise, utilisation
from .catalogue import Board
from .fill import shape

_FACTS = "facts.json"


class Tries:
    """A `fpga.boards.fill.Flow` of the real tools.

    Parameters
    ----------
    board : Board
    clock : int
        Hz.
    seed : int
        Of the placement.
    step : callable
        Is told what is being done.
    """

    def __init__(
        self, board: Board, clock: int, seed: int = 1, step: Callable[[str], None] = lambda _: None
    ) -> None:
        self.board, self.clock, self.seed, self.step = board, clock, seed, step

    def module(self, core: CoreParameters) -> BoardModule:
        """What is put on the board."""
        self.step(f"{shape(core)}: generating")
        return board_module(core, self.clock)

    def estimate(self, core: CoreParameters) -> Mapping[str, tuple[int, int]]:
        """As `fpga.boards.fill.Flow.estimate`."""
        facts = json.loads((self._synthesised(core, self._plan(core)) / _FACTS).read_text())
        return {kind: (used, has) for kind, (used, has) in facts["used"].items()}

    def place(self, core: CoreParameters) -> Built:
        """As `fpga.boards.fill.Flow.place`."""
        planned = self._plan(core)
        ready = self._synthesised(core, planned)

        def make(folder: Path) -> None:
            work = folder / "work"
            shutil.copytree(ready, work)
            done = place(planned, work, self._step(core))
            spent = json.loads((ready / _FACTS).read_text())["seconds"]
            facts = {**done.to_dict(), "seconds": done.seconds + spent}
            shutil.rmtree(work)
            (folder / _FACTS).write_text(json.dumps(facts))
            (folder / "content").write_bytes(done.content)

        facts = [*_facts(planned), json.dumps(planned.calls)]
        found = kept("placed", facts, make)
        return _built(found)

    def _plan(self, core: CoreParameters) -> Plan:
        return plan(self.module(core), self.board, seed=self.seed)

    def _synthesised(self, core: CoreParameters, planned: Plan) -> Path:
        """The folder with the synthesised design."""

        def make(folder: Path) -> None:
            start = time.monotonic()
            synthesise(planned, folder, self._step(core))
            used = utilisation(planned, folder, self._step(core))
            facts = {"used": used, "seconds": time.monotonic() - start}
            (folder / _FACTS).write_text(json.dumps(facts))

        return kept("synthesised", _facts(planned), make)

    def _step(self, core: CoreParameters) -> Callable[[str], None]:
        return lambda tool: self.step(f"{shape(core)}: {tool} (slow when it runs first)")


def _facts(planned: Plan) -> list[str]:
    """All that a synthesised design depends on."""
    files = [f"{name}\n{text.decode()}" for name, text in sorted(planned.files.items())]
    return [planned.board.device, *planned.tools, json.dumps(planned.synthesis), *files]


def _built(folder: Path) -> Built:
    facts: dict[str, Any] = json.loads((folder / _FACTS).read_text())
    used = {kind: (count, has) for kind, (count, has) in facts.pop("used").items()}
    return replace(
        Built(**facts, used=used, content=b""), content=(folder / "content").read_bytes()
    )
