"""The FuseSoC core description of a generated unit (CAPI2, flow API)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hfp8_hw import __version__

_CORE = """CAPI=2:
name: hfp8-hw:units:{name}:{version}
description: {unit}, {summary}
filesets:
  rtl:
    files:
{files}
    file_type: verilogSource-2005
{tests}targets:
  default:
    filesets: [rtl]
    toplevel: "{top}"
  lint:
    description: Verilator's lint, with all warnings
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
    filesets: [rtl]
    toplevel: "{top}"
"""

_TESTS = """  vectors:
    files:
      - {name}_in.hex: {{copyto: {name}_in.hex}}
      - {name}_out.hex: {{copyto: {name}_out.hex}}
    file_type: user
  testbench:
    files:
      - {name}_tb.v
    file_type: verilogSource-2005
"""

_SIM = """  sim:
    description: The golden vectors, in Icarus; the last line is PASS or FAIL
    flow: sim
    flow_options:
      tool: icarus
    filesets: [rtl, vectors, testbench]
    toplevel: "{name}_tb"
"""


def core(
    name: str,
    parameters: Any,
    *,
    top: str | None = None,
    more: Sequence[str] = (),
    testbench: bool = False,
) -> str:
    """The text of ``NAME.core``.

    Other cores depend on ``hfp8-hw:units:NAME``; ``fusesoc run --target lint`` checks the unit by
    itself. The first line is what FuseSoC knows the file's version by.

    Parameters
    ----------
    top : str, optional
        The module that others use; the unit if None.
    more : sequence of str
        Files of it.
    testbench : bool
        There are golden vectors, and ``fusesoc run --target sim`` runs them.
    """
    text = _CORE.format(
        name=name, version=__version__, unit=parameters.unit, summary=parameters.summary,
        top=top or name, files="\n".join(f"      - {file}" for file in (f"{name}.v", *more)),
        tests=_TESTS.format(name=name) if testbench else "",
    )  # fmt: skip
    return text + (_SIM.format(name=name) if testbench else "")
