"""The simulated top: copies of a unit in lockstep, payloads packed into one vector a side.

One write and one read of a wide vector a clock drive all copies, which is what makes simulation
under cocotb fast; with one copy it is the plain unit.
"""

from __future__ import annotations

from typing import Any

from ..stimulus.ports import payload

TOP = "hfp8_harness"


def harness(manifest: dict[str, Any], lanes: int) -> str:
    """The Verilog of the harness around ``lanes`` copies."""
    inputs, in_width = payload(manifest, "in")
    outputs, out_width = payload(manifest, "out")
    pins = [f".{manifest['clock']}(clk)", f".{manifest['reset']['name']}(rst)"]
    pins += [".i_valid(i_valid)", ".i_ready(readies[g])"]
    pins += [".o_valid(valids[g])", ".o_ready(o_ready)"]
    pins += [f".{f.port}(i_bits[g*{in_width}+{f.offset} +: {f.width}])" for f in inputs]
    pins += [f".{f.port}(o_bits[g*{out_width}+{f.offset} +: {f.width}])" for f in outputs]
    joined = ",\n      ".join(pins)
    return f"""module {TOP} (
  input wire clk /*verilator public_flat_rw*/,
  input wire rst /*verilator public_flat_rw*/,
  input wire i_valid /*verilator public_flat_rw*/,
  output wire i_ready /*verilator public_flat_rw*/,
  input wire [{lanes * in_width - 1}:0] i_bits /*verilator public_flat_rw*/,
  output wire o_valid /*verilator public_flat_rw*/,
  input wire o_ready /*verilator public_flat_rw*/,
  output wire [{lanes * out_width - 1}:0] o_bits /*verilator public_flat_rw*/,
  output wire lockstep /*verilator public_flat_rw*/
);
  wire [{lanes - 1}:0] readies, valids;
  assign i_ready = readies[0];
  assign o_valid = valids[0];
  assign lockstep = readies == {{{lanes}{{readies[0]}}}} && valids == {{{lanes}{{valids[0]}}}};
  genvar g;
  generate for (g = 0; g < {lanes}; g = g + 1) begin : lane
    {manifest["top"]} unit (
      {joined}
    );
  end endgenerate
endmodule
"""
