"""A top that puts a unit between two rows of registers, so that pins do not matter."""

from __future__ import annotations

from typing import Any

TOP = "registered"


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _instance(manifest: dict[str, Any]) -> str:
    clock = manifest["clock"]
    pins = [f".{clock}(clk)"]
    pins += [f".{p['name']}({p['name']}_r)" for p in manifest["ports"] if p["name"] != clock]
    return f"  {manifest['top']} unit ({', '.join(pins)});"


def registered(manifest: dict[str, Any]) -> str:
    """Every input through one register, every output through one, all of them ports."""
    ports = [p for p in manifest["ports"] if p["name"] != manifest["clock"]]
    heads, wires, steps = ["  input wire clk"], [], []
    for port in ports:
        name, size = port["name"], _range(port["width"])
        if port["dir"] == "in":
            heads.append(f"  input wire {size}{name}")
            wires.append(f"  reg {size}{name}_r;")
            steps.append(f"    {name}_r <= {name};")
        else:
            heads.append(f"  output reg {size}{name}")
            wires.append(f"  wire {size}{name}_r;")
            steps.append(f"    {name} <= {name}_r;")
    return "\n".join([
        f"module {TOP} (", ",\n".join(heads), ");", *wires, _instance(manifest),
        "  always @(posedge clk) begin", *steps, "  end", "endmodule", "",
    ])  # fmt: skip


def serial(manifest: dict[str, Any]) -> str:
    """Every input a bit of a shift register, every output registered and folded into one pin.

    For the clock's sake only: the folding has LUTs of its own, so count them with `registered`.
    """
    ports = [p for p in manifest["ports"] if p["name"] != manifest["clock"]]
    inputs = [p for p in ports if p["dir"] == "in"]
    outputs = [p for p in ports if p["dir"] == "out"]
    chain = ", ".join(f"{p['name']}_r" for p in inputs)
    wires = [f"  reg {_range(p['width'])}{p['name']}_r;" for p in inputs]
    wires += [f"  wire {_range(p['width'])}{p['name']}_r;" for p in outputs]
    width = sum(p["width"] for p in outputs)
    rows, steps, level = [f"  reg [{width - 1}:0] fold0;"], [], 0
    steps.append(f"    fold0 <= {{{', '.join(p['name'] + '_r' for p in outputs)}}};")
    while width > 1:
        # Four to one, with a register after each: never the critical path.
        narrow = -(-width // 4)
        for k in range(narrow):
            high = min(4 * k + 3, width - 1)
            steps.append(f"    fold{level + 1}[{k}] <= ^fold{level}[{high}:{4 * k}];")
        rows.append(f"  reg [{narrow - 1}:0] fold{level + 1};")
        width, level = narrow, level + 1
    return "\n".join([
        f"module {TOP} (input wire clk, input wire si, output wire so);", *wires, *rows,
        _instance(manifest), "  always @(posedge clk) begin",
        # One bit longer than the left side: the oldest bit falls out.
        f"    {{{chain}}} <= {{{chain}, si}};",
        *steps, "  end", f"  assign so = fold{level}[0];", "endmodule", "",
    ])  # fmt: skip
