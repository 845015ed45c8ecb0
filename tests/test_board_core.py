"""A core on a board: matrices over the line, and its registers."""

import numpy as np
import pytest

from hfp8_hw.errors import ParameterError, RunError
from hfp8_hw.host import CoreRegisters, Device
from hfp8_hw.host.link import Refused
from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters import CoreParameters
from rtl_gen.board import BoardModule, board_module
from verif.board.core import multiply_on
from verif.board.line import Line
from verif.board.model import compiled
from verif.core.compare_core import golden_product
from verif.core.matrices import prepare_matrices
from verif.core.tiling import parts, result_beats

CLOCK = 1_843_200
SMALL = CoreParameters(rows=2, cols=2, lanes=2, a_size=64, b_size=64)


@pytest.fixture(scope="module")
def module() -> BoardModule:
    return board_module(SMALL, CLOCK)


@pytest.mark.slow
def test_matrices_over_the_line(module: BoardModule) -> None:
    """Of a size that takes several jobs; a reset between them, and every code and flag golden's."""
    line = Line(compiled(module))
    device = Device(line)
    facts = device.facts
    assert facts.streams == 2 and facts.manifest.hex() == module.design.manifest["sha256"][:16]
    rng = np.random.default_rng(8)
    given = prepare_matrices(SMALL, {"a": rng.normal(size=(9, 12)), "b": rng.normal(size=(12, 7))})
    resets = iter([True])
    told = []

    def press(more: int) -> None:
        told.append(more)
        if next(resets, False):
            line.model.reset()

    done = multiply_on(device, module.design, SMALL, given, press)
    codes, flags = golden_product(SMALL, given)
    assert (done.codes == codes).all() and (done.flags == flags).all()
    assert sum(told) == 63 and len(told) > 1


@pytest.mark.slow
def test_sums_that_no_page_holds_over_the_line() -> None:
    """What is added to C comes in while results go out; the board has room for 256 of them."""
    p = CoreParameters(rows=2, cols=2, semantics="chunked", chunk=8, epilogue="full", a_size=64,
                       b_size=2048)  # fmt: skip
    module = board_module(p, CLOCK)
    device = Device(Line(compiled(module)))
    rng = np.random.default_rng(8)
    shapes = {"a": (8, 72), "b": (72, 150)}
    given = prepare_matrices(p, {name: rng.normal(size=shape) for name, shape in shapes.items()})
    done = multiply_on(device, module.design, p, given, lambda more: None)
    codes, flags = golden_product(p, given)
    assert (done.codes == codes).all() and (done.flags == flags).all()


def test_no_more_results_than_there_is_room_for() -> None:
    p = CoreParameters(rows=4, cols=3, semantics="chunked", chunk=8, epilogue="full", a_size=4096,
                       b_size=6144)  # fmt: skip
    a, b, c = (np.zeros(shape, np.uint32) for shape in ((50, 8), (8, 70), (50, 70)))
    for added, beats, most in ((c, 256, 256), (c, 30, 30), (c, None, 4000), (None, 30, 4000)):
        seen, largest = np.zeros((50, 70), int), 0
        for part in (part for found in parts(p, a, b, c=added, beats=beats) for part in found):
            seen[part.rows, part.columns] += 1
            largest = max(largest, result_beats(p, part.task.job.m, part.task.job.n))
        assert (seen == 1).all() and largest <= most
        assert most < 4000 or largest > 256


@pytest.mark.slow
def test_registers_over_the_line(module: BoardModule) -> None:
    device = Device(Line(compiled(module)), fast=False)
    core = CoreRegisters(device.link.read, device.link.write)
    core.check(SMALL)
    with pytest.raises(RunError, match="the core's register"):
        core.check(CoreParameters(rows=4))
    core.start(GemmJob(m=0, n=2, k=3))
    with pytest.raises(RunError, match="the core refused a job: error 1"):
        core.wait()
    for address in (0xFC, 0x200, 0x7FFC):
        with pytest.raises(Refused, match="no such stream or register"):
            device.link.read(address)
        with pytest.raises(Refused, match="no such stream or register"):
            device.link.write(address, 1)
    # A job whose operands do not come gives no results, and the counters say so.
    core.start(GemmJob(m=2, n=2, k=2))
    with pytest.raises(RunError, match="1 result did not come in time: FRAMES"):
        device.store(1)
    device.reset()
    assert core.fields("STATUS")["busy"] == 0


def test_a_core_with_memory_is_refused() -> None:
    with pytest.raises(ParameterError, match="ports='memory' is not allowed on a board: streams"):
        board_module(CoreParameters(rows=2, cols=2, lanes=2, ports="memory"), CLOCK)
