"""A core's registers as programs see them: the C header, SystemRDL, the Python class."""

from __future__ import annotations

import doctest
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from systemrdl import RDLCompiler
from systemrdl.node import RegNode
from systemrdl.parser.SystemRDLLexer import SystemRDLLexer

from hfp8_hw import ParameterError
from hfp8_hw.errors import RunError
from hfp8_hw.host import CoreRegisters, core_registers
from hfp8_hw.jobs import Convolution, GemmJob, JobError
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.registers import fixed_words, job_words, register, registers_of
from rtl_gen.names import SYSTEMVERILOG, VERILOG
from rtl_gen.package import Package, generate
from rtl_gen.software.systemrdl import systemrdl
from verif.core.run_core import TOP, build_simulation
from verif.simulation import simulators
from verif.simulation.simulate import cocotb_test

from .conftest import later

SMALL = CoreParameters(rows=2, cols=2, lanes=2)
NAME = "my_core"
ERROR, STATUS, BUSY = (register(name).address for name in ("ERROR", "STATUS", "BUSY_LOW"))


@pytest.fixture(scope="module")
def package() -> Package:
    return generate(SMALL, NAME)


def compiled(folder: Path, package: Package, main: str, compiler: str = "gcc") -> str:
    """What a program that includes the header prints."""
    (folder / f"{NAME}_regs.h").write_text(package.files()[f"{NAME}_regs.h"])
    source = folder / "main.c"
    source.write_text(f'#include <stdio.h>\n#include "{NAME}_regs.h"\n{main}')
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
    language = ["-x", "c", "-std=c99"] if compiler == "gcc" else ["-x", "c++", "-std=c++11"]
    run = [compiler, *language, *strict, "-o", str(folder / "main"), str(source)]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return subprocess.run([folder / "main"], capture_output=True, text=True, check=True).stdout


def test_the_header_has_every_register_and_field(package: Package, tmp_path: Path) -> None:
    names, due = [], []
    for one in registers_of(SMALL):
        names.append(one.name)
        due.append(one.address)
        for field in one.fields:
            label = f"{one.name}_{field.name.upper()}"
            names += [f"{label}_SHIFT", f"{label}_MASK"]
            due += [field.low, (2**field.width - 1) * 2**field.low]
    for name, word in fixed_words(SMALL).items():
        names.append(f"{name}_WORD")
        due.append(word)
    for error in JobError:
        names.append(f"ERROR_IS_{error.name}")
        due.append(int(error))
    lines = "".join(f'printf("%lu\\n", (unsigned long)MY_CORE_{name});\n' for name in names)
    said = compiled(tmp_path, package, f"int main(void) {{\n{lines}return 0;\n}}\n")
    assert [int(line) for line in said.split()] == due


@pytest.mark.parametrize("compiler", ["gcc", "g++"])
def test_the_header_starts_a_job(package: Package, tmp_path: Path, compiler: str) -> None:
    job = GemmJob(m=300, n=7, k=9, transpose_b=True, page_b=3)
    words = job_words(job)
    members = "".join(
        f"job.{name.lower()} = {word}u;\n" for name, word in words.items() if name != "START"
    )
    main = f"""
    int main(void) {{
        uint32_t words[64] = {{0}};
        my_core_job job;
        {members}
        words[MY_CORE_STATUS / 4] = MY_CORE_STATUS_FULL_MASK;
        printf("%d %u\\n", my_core_start(words, &job), (unsigned)words[MY_CORE_M / 4]);
        words[MY_CORE_STATUS / 4] = 0;
        printf("%d\\n", my_core_start(words, &job));
        for (int k = 0; k < 64; k++) printf("%lu ", (unsigned long)words[k]);
        printf("%d %d\\n", (int)MY_CORE_GET(words[MY_CORE_OPERANDS / 4], OPERANDS_PAGE_B),
               (int)(MY_CORE_PUT(OPERANDS_PAGE_B, 3) == MY_CORE_OPERANDS_PAGE_B_MASK / 5));
        return 0;
    }}
    """
    full, started, memory = compiled(tmp_path, package, main, compiler).splitlines()
    assert (full, started) == ("0 0", "1")
    found = [int(word) for word in memory.split()]
    assert found[-2:] == [3, 1]
    due = [0] * 64
    for name, word in words.items():
        due[register(name).address // 4] = word
    assert found[:-2] == due


def test_a_core_may_have_a_name_that_systemrdl_uses(tmp_path: Path) -> None:
    """All words of the grammar that are none of Verilog's or SystemVerilog's."""
    literal = [str(one).strip("'") for one in SystemRDLLexer.literalNames]
    words = {one for one in literal if one.isidentifier()} - VERILOG - SYSTEMVERILOG
    assert {"mem", "field", "rw", "true"} < words
    for word in sorted(words):
        path = tmp_path / f"{word}.rdl"
        path.write_text(systemrdl(SMALL, word))
        compiler = RDLCompiler()
        compiler.compile_file(str(path))
        assert compiler.elaborate().top.inst_name == word


def test_systemrdl_has_the_same_table(package: Package, tmp_path: Path) -> None:
    path = tmp_path / "core.rdl"
    path.write_text(package.files()[f"{NAME}.rdl"])
    compiler = RDLCompiler()
    compiler.compile_file(str(path))
    top = compiler.elaborate().top
    assert top.inst_name == NAME
    found = {one.inst_name: one for one in top.children() if isinstance(one, RegNode)}
    assert list(found) == [one.name for one in registers_of(SMALL)]
    for one in registers_of(SMALL):
        node = found[one.name]
        assert (node.absolute_address, node.size) == (one.address, 4)
        places = {field.name: (field.low, field.width) for field in one.fields}
        assert {
            f.inst_name.removesuffix("_field"): (f.low, f.width) for f in node.fields()
        } == places
        assert node.has_sw_writable == (one.access != "ro")
        assert node.has_sw_readable == (one.access != "wo")
    for name, word in fixed_words(SMALL).items():
        reset = sum(f.get_property("reset") << f.low for f in found[name].fields())
        assert reset == word


@pytest.mark.parametrize("simulator", ["icarus", later("verilator")])
def test_the_class_drives_the_hardware(simulator: str, tmp_path: Path) -> None:
    tool = simulators.find(simulator)
    folder = build_simulation(generate(SMALL), tool)
    cocotb_test(tool, folder, tmp_path, TOP, "tests.core_driver_bench")
    found = json.loads((tmp_path / "result.json").read_text())
    hashed, shape, refused, misplaced = found["said"]
    assert hashed.startswith("the core's register HASH reads 0x")
    assert hashed.endswith("this core was generated otherwise")
    assert "register HASH" in shape
    assert refused == "the core refused a job: error 1, m, n or k is 0"
    assert misplaced == "TLAST of A was not at the end of a matrix"
    assert found["interrupts"] == [
        [], 0,
        # Pending are a job done and one refused; enabled is an error, then a refusal.
        0, 1, ["done", "refused"], 0,
        # Enabled are a job done and an error, and both are pending; then the error alone.
        1, 1, ["error"], 0,
    ]  # fmt: skip
    assert found["done"] == 2 and found["counters"]["MACS"] == 3 * 2 * 3 + 4 * 2 * 3


class Memory(dict[int, int]):
    """Registers that hold what is written to them."""

    def core(self, **settings: Any) -> CoreRegisters:
        return CoreRegisters(lambda address: self.get(address, 0), self.__setitem__, **settings)


def test_what_the_class_says_of_errors() -> None:
    memory = Memory()
    core = memory.core(patience=0.0)
    for word, text in (
        (3, "the core refused a job: error 3, A does not fit a page"),
        (7, "a job was started while the queue was full, and is lost"),
        (0x300, "TLAST of A and B was not at the end of a matrix"),
    ):
        memory[ERROR] = word
        with pytest.raises(RunError) as caught:
            core.wait()
        assert str(caught.value) == text and memory[ERROR] == 0
    memory[STATUS], memory[BUSY] = 2, 5
    with pytest.raises(RunError, match="the queue stayed full for 0 seconds: BUSY 5, STALL_OUT 0"):
        core.start(GemmJob(1, 1, 1))
    assert 0x10 not in memory
    memory[STATUS] = 1
    with pytest.raises(RunError, match="the core stayed busy for 0 seconds"):
        core.wait()
    with pytest.raises(RunError, match=r"register ID reads 0x00000000, .* this is no core"):
        core.check(SMALL)
    with pytest.raises(ParameterError, match="field='rows' is not allowed"):
        core.set("ERROR", rows=1)
    with pytest.raises(ParameterError, match="name='STAT' is not allowed"):
        core.word("STAT")
    with pytest.raises(ParameterError, match="done=2 is not allowed: an integer from 0 to 1"):
        core.enable_interrupts(done=2)
    memory[STATUS] = 0
    with pytest.raises(ParameterError, match="job=None is not allowed: a GemmJob"):
        core.start(None)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="addresses=4096 is not allowed: Addresses or None"):
        core.start(GemmJob(1, 1, 1), 4096)  # type: ignore[arg-type]


def test_words_that_lie_together_are_written_at_once() -> None:
    """And with room, nothing is read; the same words as one by one."""
    conv = Convolution.of((6, 6, 2), (3, 3), lanes=2)
    for job, count in ((GemmJob(m=2, n=3, k=4, relu=True), 1), (conv.job(4), 3)):
        alone, together = Memory(), Memory()
        alone.core().start(job)
        asked: list[tuple[int, ...]] = []

        def write_many(
            address: int, *words: int, memory: Memory = together, asked: list[Any] = asked
        ) -> None:
            asked.append(words)
            memory.update({address + 4 * k: word for k, word in enumerate(words)})

        def read(address: int) -> int:
            raise AssertionError("nothing has to be read")

        def write(address: int, word: int) -> None:
            raise AssertionError("nothing has to be written alone")

        CoreRegisters(read, write, write_many=write_many).start(job, room=True)
        assert together == alone and len(together) == len(job_words(job)) and len(asked) == count


def test_the_example_runs() -> None:
    done = doctest.testmod(core_registers)
    assert done.attempted >= 5 and done.failed == 0
