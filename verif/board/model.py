"""The module that is put on a board, compiled by Verilator, with a UART at its pins."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

from hfp8_hw.protocol import BASE_BAUD
from rtl_gen.board import TOP, BoardModule
from rtl_gen.cache import built
from rtl_gen.tools import ToolError

from ..simulation import simulators
from ..sweep import cxx_compiler

_DRIVER = Path(__file__).with_name("driver.cc")
_VERILATE = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "unique", "--noassert",
             "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style")  # fmt: skip
_FLAGS = ("-std=c++17", "-O2", "-DNDEBUG")
RESET_CLOCKS = 4


class Model:
    """A board in simulation: time is counted in clocks, and only passes in `run`.

    Parameters
    ----------
    library : Path
        From `compiled`.
    module : BoardModule
    """

    def __init__(self, library: Path, module: BoardModule) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.board_new.restype = ctypes.c_void_p
        for name in ("run", "take", "idle"):
            getattr(self._library, f"board_{name}").restype = ctypes.c_int64
        build = int.from_bytes(module.build, "little")
        self._board = ctypes.c_void_p(self._library.board_new(ctypes.c_uint64(build)))
        self.clock, self.clocks = module.clock, 0
        self._bytes = ctypes.create_string_buffer(4096)
        self.rate(BASE_BAUD)
        self.reset()

    def __del__(self) -> None:
        if hasattr(self, "_board"):
            self._library.board_delete(self._board)

    def reset(self) -> None:
        """Press the reset button."""
        self._library.board_reset(self._board, ctypes.c_int64(RESET_CLOCKS))
        self.clocks += RESET_CLOCKS

    def rate(self, baud: float) -> None:
        """The rate of the UART at the pins, in bits a second."""
        self._library.board_rate(self._board, ctypes.c_double(self.clock / baud))

    def give(self, data: bytes) -> None:
        """Bytes to send to the board, one after the other, as time passes."""
        self._library.board_give(self._board, data, ctypes.c_int64(len(data)))

    def run(self, clocks: int, *, until_idle: bool = False) -> bytes:
        """Let time pass: so many clocks, or less if a byte came; the bytes that came."""
        self.clocks += self._library.board_run(
            self._board, ctypes.c_int64(clocks), ctypes.c_int64(until_idle)
        )
        count = self._library.board_take(self._board, self._bytes, ctypes.c_int64(len(self._bytes)))
        return self._bytes.raw[:count]

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, in either direction."""
        return bool(self._library.board_idle(self._board))

    def drop(self) -> None:
        """Forget what has not been sent to the board yet."""
        self._library.board_drop(self._board)


def compiled(module: BoardModule) -> Model:
    """The compiled module, from the cache where it can be; it has been reset.

    Raises
    ------
    ToolMissing, ToolError
        If Verilator or the compiler is missing or fails.
    """
    cxx_compiler.require("a simulated board cannot be built")
    tool = simulators.find("verilator")
    driver = _DRIVER.read_text()
    include = tool.library()
    flags = [*_FLAGS, f"-I{include}", f"-I{include}/vltstd", "-I.", "-pthread"]
    facts = [tool.version, *_VERILATE, *_FLAGS, cxx_compiler.compiler()]

    def make_runtime(folder: Path) -> None:
        _join(folder / "runtime.cc", ["verilated.cpp", "verilated_threads.cpp"])
        cxx_compiler.shared(folder, "runtime.cc", "runtime.o", [*flags, "-c"], "its runtime")

    def make(folder: Path) -> None:
        (folder / "board.v").write_text(module.verilog)
        (folder / "driver.cpp").write_text(driver)
        command = [str(Path(tool.path) / "verilator"), *_VERILATE, "--Mdir", ".",
                   "--prefix", "Vboard", "--top-module", TOP, "board.v"]  # fmt: skip
        done = subprocess.run(
            command, cwd=folder, env=tool.env(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ToolError(f"verilator did not translate the board: {done.stderr[-1000:]}")
        # One source: the headers are what takes most of the time.
        _join(folder / "all.cc", sorted(path.name for path in folder.glob("*.cpp")))
        runtime = built("verilated", facts, make_runtime) / "runtime.o"
        cxx_compiler.shared(folder, "all.cc", "model.so", [*flags, str(runtime)], "the board")
        for path in folder.iterdir():
            if path.name != "model.so":
                path.unlink()

    return Model(built("boards", [module.verilog, driver, *facts], make) / "model.so", module)


def _join(file: Path, names: list[str]) -> None:
    file.write_text("".join(f'#include "{name}"\n' for name in names))
