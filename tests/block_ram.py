"""ECP5's block RAM for simulators: what `fpga.memory_registers` is held against."""

from __future__ import annotations

_PINS = {"AD": 14, "DI": 18}
_SINGLE = ("CLK", "WE", "CE", "OCE", "RST", "CS0", "CS1", "CS2")


def block_ram() -> str:
    """DP16KD: written through port A, read through port B, both with words of one width, which
    may be 1, 2, 4, 9, 18 or 36; with nothing in it at the start.

    As Lattice's model of ECP3's DP16KC has it, the register behind the memory has an enable of its
    own, whether the port reads or not; and words of 36 bits leave through both ports, of which
    port B has the clock and the enable.
    """
    inputs = [f"{kind}{port}{k}" for port in "AB" for kind, n in _PINS.items() for k in range(n)]
    inputs += [f"{name[:-1]}{port}{name[-1]}" for port in "AB" for name in _SINGLE[5:]]
    inputs += [f"{name}{port}" for port in "AB" for name in _SINGLE[:5]]
    outputs = [f"DO{port}{k}" for port in "AB" for k in range(18)]
    parameters = [f'REGMODE_{port} = "NOREG", CLK{port}MUX = "CLK{port}"' for port in "AB"]
    parameters += [f'CSDECODE_{p} = "0b000", WRITEMODE_{p} = "NORMAL"' for p in "AB"]
    parameters += ["DATA_WIDTH_A = 18, DATA_WIDTH_B = 18"]
    parameters += ['RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", GSR = "AUTO"']
    parameters += [f"INITVAL_{k:02X} = 320'b0" for k in range(64)]

    def bus(name: str, width: int) -> str:
        return ", ".join(f"{name}{k}" for k in reversed(range(width)))

    lines = ["module DP16KD (", ", ".join(f"input {name}" for name in inputs) + ","]
    lines += [", ".join(f"output {name}" for name in outputs), ");"]
    lines += [f"  parameter {one};" for one in parameters]
    lines += ["  localparam W = DATA_WIDTH_A;"]
    lines += ["  localparam SHIFT = W == 1 ? 0 : W == 2 ? 1 : W == 4 ? 2 : W == 9 ? 3 :"]
    lines += ["    W == 18 ? 4 : 5;"]
    lines += ["  reg [35:0] memory [0:16383];", "  integer k;"]
    lines += [f"  wire [13:0] write = {{{bus('ADA', 14)}}}, read = {{{bus('ADB', 14)}}};"]
    lines += [f"  wire [35:0] given = {{{bus('DIB', 18)}, {bus('DIA', 18)}}};"]
    lines += ["  wire [35:0] kept = W == 36 ? {{9{ADA3}}, {9{ADA2}}, {9{ADA1}}, {9{ADA0}}} :"]
    lines += ["    W == 18 ? {{9{ADA1}}, {9{ADA0}}} : 36'h3ffff;"]
    lines += ["  reg [35:0] word = 0, out = 0;"]
    lines += ["  initial begin"]
    lines += ["    for (k = 0; k < 16384; k = k + 1) memory[k] = 0;"]
    lines += ['    if (DATA_WIDTH_B != W) $fatal(1, "ports of different widths");']
    lines += ['    if (W == 36 && REGMODE_A != REGMODE_B) $fatal(1, "half a register");', "  end"]
    lines += ["  always @(posedge CLKA) if (CEA & WEA) memory[write >> SHIFT] <="]
    lines += ["    given & kept | memory[write >> SHIFT] & ~kept;"]
    lines += ["  always @(posedge CLKB) begin"]
    lines += ["    if (RSTB) begin word <= 0; out <= 0; end else begin"]
    lines += ["      if (CEB) word <= memory[read >> SHIFT];"]
    lines += ["      if (OCEB) out <= word;", "    end", "  end"]
    lines += ['  wire [35:0] left = REGMODE_B == "OUTREG" ? out : word;']
    lines += [f"  assign DOB{k} = W == 36 ? left[{k + 18}] : left[{k}];" for k in range(18)]
    lines += [f"  assign DOA{k} = left[{k}];" for k in range(18)]
    return "\n".join([*lines, "endmodule", ""])
