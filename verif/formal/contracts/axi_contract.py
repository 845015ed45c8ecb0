"""The contract of a core's AXI ports, as Verilog modules with assertions around it.

Everything that comes to the core is any, in every clock, resets too, once there was one.

stream
    On every channel on which the core is the sender (the output stream; with ``ports=memory`` those
    of addresses and of data to write): what it offers stays, payload too, until it is taken.
registers
    Of AXI4-Lite: a response stays until it is taken; there is one for each request, in the clock
    after a write's and in the second after a read's, and none without one; it is SLVERR where there
    is no register, else OKAY; and a request is taken at once, if the response to the one before is.
"""

from __future__ import annotations

from typing import Any

from hfp8_hw.errors import ParameterError
from hfp8_hw.parameters import unit_parameters
from hfp8_hw.registers import registers_of
from rtl_gen.package import Package

from ..claims import Problem

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


def _answers(name: str, request: str, addresses: list[int], clocks: int) -> str:
    """A response for each request, so many clocks after it, and which."""
    there = " || ".join(f"s_axi_{request}addr[7:2] == {address >> 2}" for address in addresses)
    late = f"{name}_late" if clocks == 2 else "1'b0"
    return f"""  reg {name}_open = 0, {name}_late = 0, {name}_there;
  wire {name}_asked = s_axi_{request}valid && s_axi_{request}ready;
  wire {name}_free = !{late} && (s_axi_{name}ready || !s_axi_{name}valid);
  always @(posedge clk) begin
    {name}_late <= {name}_asked && !rst;
    {name}_open <= !rst && ({name}_asked
      || {name}_open && !(s_axi_{name}valid && s_axi_{name}ready));
    if ({name}_asked) {name}_there <= {there};
    if (started) begin
      {name}_single: assert (!{name}_asked || {name}_free);
      {name}_answers: assert (s_axi_{name}valid == ({name}_open && !{late}));
      if (s_axi_{name}valid)
        {name}_code: assert (s_axi_{name}resp == ({name}_there ? {OKAY} : {SLVERR}));
    end
  end
"""


_TAKEN = """  always @(posedge clk) if (started) begin
    write_taken: assert (s_axi_awready == s_axi_wready);
    write_waits: assert (s_axi_awready == (s_axi_awvalid && s_axi_wvalid && b_free));
    read_waits: assert (s_axi_arready == (s_axi_arvalid && r_free));
  end
"""


def problems(package: Package, name: str) -> dict[str, Problem]:
    """What has to be proved for one of `PROPERTIES`, by channel.

    Raises
    ------
    ParameterError
        If the property is not one of a core's.
    """
    if name not in PROPERTIES:
        raise ParameterError(
            f"property={name!r} is not allowed for core: {' or '.join(PROPERTIES)}"
        )
    ports = package.manifest["ports"]
    named = {port["name"] for port in ports}
    p = unit_parameters(package.manifest["unit"], package.manifest["parameters"])
    addresses = [one.address for one in registers_of(p)]

    def held(prefix: str) -> str:
        payload = [
            port for port in ports
            if port["name"].startswith(prefix) and port["dir"] == "out"
            and port["name"] not in (f"{prefix}valid", f"{prefix}ready")
        ]  # fmt: skip
        return _held(prefix.rstrip("_"), f"{prefix}valid", f"{prefix}ready", payload)

    if name == "stream":
        senders = ("m_axis_t", "m_axi_aw", "m_axi_w", "m_axi_ar")
        return {
            prefix: _problem(package, held(prefix)) for prefix in senders
            if f"{prefix}valid" in named
        }  # fmt: skip
    checks = "".join(
        held(f"s_axi_{channel}") + _answers(channel, request, addresses, clocks)
        for channel, request, clocks in (("b", "aw", 1), ("r", "ar", 2))
    )
    return {"s_axi": _problem(package, checks + _TAKEN)}


def _problem(package: Package, checks: str) -> Problem:
    """A core whose inputs are any, and assertions beside it."""
    ports = [port for port in package.manifest["ports"] if port["name"] not in ("clk", "rst")]

    def declared(kind: str, way: str, end: str) -> str:
        return "".join(
            f"  {kind} [{port['width'] - 1}:0] {port['name']}{end}\n"
            for port in ports if port["dir"] == way
        )  # fmt: skip

    pins = "".join(f", .{port['name']}({port['name']})" for port in ports)
    text = f"""module prove(
{declared("input", "in", ",")}  input clk, rst
);
{declared("wire", "out", ";")}  {package.manifest["top"]} core(.clk(clk), .rst(rst){pins});
  reg started = 0;
  always @(posedge clk) if (rst) started <= 1;
{checks}endmodule
"""
    script = "read_verilog unit.v\nread_verilog -formal prove.sv\n"
    files = {"unit.v": package.verilog, "prove.sv": text}
    # Most follow from themselves over three clocks: no engine has to look at the array.
    return Problem(files, script, eased=Problem(files, script, clocks=3))
