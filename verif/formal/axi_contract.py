"""The contract of a core's AXI ports, as Verilog modules with assertions around it.

Everything that comes to the core is any, in every clock, resets too, once there was one.

stream
    On every channel on which the core is the sender (the output stream; with ``ports=memory`` those
    of addresses and of data to write): what it offers stays, payload too, until it is taken.
registers
    Of AXI4-Lite: a response stays until it is taken; there is one for each request, in the clock
    after it, and none without one; it is SLVERR where there is no register, else OKAY; and a
    request is taken at once, if the response to the one before is.
"""

from __future__ import annotations

from typing import Any

from hfp8_hw.parameters import unit_parameters
from hfp8_hw.registers import registers_of
from rtl_gen.package import Package

from .claims import Problem

OKAY, SLVERR = 0, 2
PROPERTIES = ("stream", "registers")


def offered(package: Package) -> bool:
    """Whether it has such ports."""
    return any(port["name"] == "s_axi_awvalid" for port in package.manifest["ports"])


def _held(name: str, valid: str, ready: str, payload: list[dict[str, Any]]) -> str:
    """What a sender offers stays."""
    word = "{" + ", ".join(port["name"] for port in payload) + "}"
    width = sum(port["width"] for port in payload)
    return f"""  reg {name}_waits = 0;
  reg [{width - 1}:0] {name}_held;
  always @(posedge clk) begin
    {name}_waits <= {valid} && !{ready} && !rst;
    {name}_held <= {word};
    if (started && {name}_waits) {name}_stays: assert ({valid} && {word} == {name}_held);
  end
"""


def _answers(name: str, request: str, addresses: list[int]) -> str:
    """A response for each request, and which."""
    there = " || ".join(f"s_axi_{request}addr[7:2] == {address >> 2}" for address in addresses)
    return f"""  reg [3:0] {name}_open = 0;
  reg {name}_there;
  wire {name}_asked = s_axi_{request}valid && s_axi_{request}ready;
  always @(posedge clk) begin
    {name}_open <= rst ? 0 : {name}_open + {name}_asked - (s_axi_{name}valid && s_axi_{name}ready);
    if ({name}_asked) {name}_there <= {there};
    if (started) {name}_answers: assert ({name}_open == s_axi_{name}valid);
    if (started && s_axi_{name}valid)
      {name}_code: assert (s_axi_{name}resp == ({name}_there ? {OKAY} : {SLVERR}));
  end
"""


_TAKEN = """  always @(posedge clk) if (started) begin
    write_taken: assert (s_axi_awready == s_axi_wready);
    write_asked: assert (!s_axi_awready || (s_axi_awvalid && s_axi_wvalid));
    write_waits: assert (!(s_axi_awvalid && s_axi_wvalid && (s_axi_bready || !s_axi_bvalid))
      || s_axi_awready);
    read_waits: assert (!(s_axi_arvalid && (s_axi_rready || !s_axi_rvalid)) || s_axi_arready);
  end
"""


def problem(package: Package, name: str) -> Problem:
    """The problem of one of `PROPERTIES`."""
    ports = [x for x in package.manifest["ports"] if x["name"] not in ("clk", "rst")]
    p = unit_parameters(package.manifest["unit"], package.manifest["parameters"])
    named = {port["name"] for port in ports}

    def payload(prefix: str) -> list[dict[str, Any]]:
        return [
            port for port in ports
            if port["name"].startswith(prefix) and port["dir"] == "out"
            and port["name"] not in (f"{prefix}valid", f"{prefix}ready")
        ]  # fmt: skip

    checks = ""
    if name == "stream":
        for prefix in ("m_axis_t", "m_axi_aw", "m_axi_w", "m_axi_ar"):
            if f"{prefix}valid" in named:
                channel = prefix.rstrip("_")
                checks += _held(channel, f"{prefix}valid", f"{prefix}ready", payload(prefix))
    else:
        addresses = [one.address for one in registers_of(p)]
        for channel, request in (("b", "aw"), ("r", "ar")):
            prefix = f"s_axi_{channel}"
            checks += _held(prefix, f"{prefix}valid", f"{prefix}ready", payload(prefix))
            checks += _answers(channel, request, addresses)
        checks += _TAKEN
    inputs = "".join(
        f"  input [{x['width'] - 1}:0] {x['name']},\n" for x in ports if x["dir"] == "in"
    )
    wires = "".join(
        f"  wire [{x['width'] - 1}:0] {x['name']};\n" for x in ports if x["dir"] == "out"
    )
    pins = "".join(f", .{x['name']}({x['name']})" for x in ports)
    text = f"""module prove(
{inputs}  input clk, rst
);
{wires}  {package.manifest["top"]} core(.clk(clk), .rst(rst){pins});
  reg started = 0;
  always @(posedge clk) if (rst) started <= 1;
{checks}endmodule
"""
    script = "read_verilog unit.v\nread_verilog -formal prove.sv\n"
    files = {"unit.v": package.verilog, "prove.sv": text}
    # Each follows from itself over two clocks, or nearly: no engine has to look at the array.
    return Problem(files, script, eased=Problem(files, script))
