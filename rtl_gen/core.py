"""The FuseSoC core description of a generated unit (CAPI2, flow API)."""

from __future__ import annotations

from typing import Any

from hfp8_hw import __version__

_CORE = """CAPI=2:
name: hfp8-hw:units:{name}:{version}
description: {unit}, {summary}
filesets:
  rtl:
    files:
      - {name}.v
    file_type: verilogSource-2005
targets:
  default:
    filesets: [rtl]
    toplevel: "{name}"
  lint:
    description: Verilator's lint, with all warnings
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
    filesets: [rtl]
    toplevel: "{name}"
"""


def core(name: str, parameters: Any) -> str:
    """The text of ``NAME.core``.

    Other cores depend on ``hfp8-hw:units:NAME``; ``fusesoc run --target lint`` checks the unit by
    itself. The first line is what FuseSoC knows the file's version by.
    """
    return _CORE.format(
        name=name, version=__version__, unit=parameters.unit, summary=parameters.summary
    )
