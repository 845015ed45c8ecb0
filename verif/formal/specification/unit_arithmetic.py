"""The specification of a unit's arithmetic in Verilog, on integers, for proofs.

`verif/formal/library/spec.sv` says what a code is worth and how an exact value is rounded; here
those modules are put together for a unit: exact values of the operands, the exact result, one
rounding. Where a result has few codes the specification is a list of steps instead
(`verif.formal.specification.thresholds`).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import (
    RUNTIME_BIAS_RANGE,
    SCALE_RANGE,
    FloatFormat,
    parse_format,
    parse_operand,
)
from hfp8_hw.golden import scalar
from hfp8_hw.rounding import parse_rounding
from rtl_gen.package import Package

from . import thresholds

_ZERO = {"gradual": 0, "normal": 1, "flush": 2}
_SPECIALS = {"none": 0, "ieee": 1, "fn": 2, "dl": 2, "fnuz": 3, "p3109": 4}
_MODES = {"RNE": 0, "RNA": 1, "RTZ": 2, "RUP": 3, "RDN": 4, "RTO": 5, "SR": 6}

UNITS = ("quantizer", "dequantizer", "convert", "mul", "fp_mul", "fp_add")
"""Units whose arithmetic has a specification; `mac` has one of its step (`step`)."""


class _Value:
    """A number in the text: its wires' prefix, the scale and width of its magnitude."""

    def __init__(self, name: str, scale: int, width: int) -> None:
        self.name, self.scale, self.width = name, scale, width


class _Decoded(_Value):
    """A decoded operand."""

    def __init__(self, name: str, formats: tuple[FloatFormat, ...], bias: str | None) -> None:
        self.formats, self.bias = formats, bias
        high = RUNTIME_BIAS_RANGE[1] if bias else max(f.bias for f in formats)
        low = RUNTIME_BIAS_RANGE[0] if bias else min(f.bias for f in formats)
        self.man = max(f.man_bits for f in formats)
        top = max(1 << f.exp_bits for f in formats)
        super().__init__(name, high + self.man, top + (high - low) + self.man + 2)

    def text(self, port: str, mode: str | None) -> list[str]:
        """Wires NAME_neg, NAME_nan, NAME_inf and NAME_mag, which is NAME_sig << NAME_up."""
        n, lines = self.name, []
        parts = [f"{n}{k}" for k in range(len(self.formats))]
        for part, fmt in zip(parts, self.formats, strict=True):
            # With a run-time bias: as if it were the largest, then up by what it is less.
            bias = RUNTIME_BIAS_RANGE[1] if self.bias else fmt.bias
            lines += [
                f"  wire {part}_neg, {part}_nan, {part}_inf; wire [{fmt.man_bits}:0] {part}_sig; "
                f"wire [15:0] {part}_up;",
                f"  spec_decode #(.EXP({fmt.exp_bits}), .MAN({fmt.man_bits}), .BIAS({bias}), "
                f".ZERO({_ZERO[fmt.zero_exp]}), .SPECIALS({_SPECIALS[fmt.specials]}), "
                f".SCALE({self.scale})) decode_{part} (.x({port}), .neg({part}_neg), "
                f".nan({part}_nan), .inf({part}_inf), .sig({part}_sig), .up({part}_up));",
            ]
        lines.append(f"  wire {n}_neg, {n}_nan, {n}_inf; wire [{self.man}:0] {n}_sig;")
        for field in ("neg", "nan", "inf", "sig", "up"):
            chosen = f"{parts[0]}_{field}"
            if len(parts) > 1:
                chosen = f"({mode} ? {parts[1]}_{field} : {parts[0]}_{field})"
            if field != "up":
                lines.append(f"  assign {n}_{field} = {chosen};")
        if self.bias:
            wide = f"{{{{9{{{self.bias}[6]}}}}, {self.bias}}}"
            chosen = f"{chosen} + 16'd{RUNTIME_BIAS_RANGE[1]} - {wide}"
        lines += [
            f"  wire [15:0] {n}_up = {chosen};",
            f"  wire [{self.width - 1}:0] {n}_mag = {{{self.width - self.man - 1}'d0, {n}_sig}}"
            f" << {n}_up;",
        ]
        return lines


_NEVER_ROUNDED = "RNE"
"""What the one rounder is told in units whose results are exact; any rounding does."""


def _rounder(
    fmt: FloatFormat, arguments: dict[str, Any], scale: int, width: int, random: str | None
) -> list[str]:
    """The instance that rounds ``neg, nan, inf, invalid, mag`` to ``y`` and ``flags``."""
    rounding = parse_rounding(arguments.get("rounding", _NEVER_ROUNDED))
    special = fmt.inf_code if fmt.inf_code is not None else fmt.nan_code
    nan = fmt.max_code if fmt.nan_code is None else fmt.nan_code
    facts = {
        "EXP": fmt.exp_bits, "MAN": fmt.man_bits, "BIAS": fmt.bias, "ZERO": _ZERO[fmt.zero_exp],
        "SCALE": scale, "W": width, "MODE": _MODES[rounding.mode],
        "N": rounding.sr_bits or 1, "SATURATE": int(arguments["overflow"] == "saturate"),
        "LARGEST": fmt.max_code, "INFINITY": special or 0, "NAN": nan,
        "INFINITY_IS_NAN": int(fmt.inf_code is None), "HAS_NAN": int(fmt.has_nan),
        "NEGATIVE_ZERO": int(fmt.has_neg_zero),
    }  # fmt: skip
    text = ", ".join(f".{name}({value})" for name, value in facts.items())
    return [
        f"  spec_round #({text}) rounder (.neg(neg), .nan(nan), .inf(inf), .invalid(invalid), "
        f".mag(mag), .random({random or chr(39) + 'd0'}), .y(y), .flags(flags));"
    ]


def specification(package: Package) -> str:
    """A module ``spec`` with the unit's payload inputs, and outputs ``y`` and ``flags``.

    Raises
    ------
    ParameterError
        If there is none for the unit or its parameters.
    """
    manifest = package.manifest
    unit, arguments = manifest["unit"], manifest["golden"]["arguments"]
    parameters = manifest["parameters"]
    if (
        unit not in UNITS
        or arguments.get("random") is not None
        or parameters.get("track", "none") != "none"
        or int(parameters.get("lanes", 1)) > 1
    ):
        raise ParameterError(
            f"property='arithmetic' is not allowed for {package.manifest['unit']}: "
            "its specification is for "
            f"one lane, without a state, of {', '.join(UNITS)}"
        )
    ports = {p["name"]: p for p in manifest["ports"]}
    inputs = [
        p for p in manifest["ports"]
        if p["dir"] == "in" and p["role"] in ("data", "config", "flag")
    ]  # fmt: skip
    out = parse_format(ports["o_y"]["format"], "format")
    names = {p["name"] for p in inputs}
    if unit in ("quantizer", "dequantizer", "convert") and names == {"i_x"}:
        src = parse_operand(ports["i_x"]["format"])
        rounding = parse_rounding(arguments.get("rounding", _NEVER_ROUNDED))
        if len(src) == 1 and out.max_code < thresholds.MOST_STEPS:
            text = thresholds.specification(src[0], out, rounding, arguments["overflow"], "steps")
            head = _head(inputs, out)
            return f"{text}{head}  steps s(.x(i_x), .y(y), .flags(flags));\nendmodule\n"
    body = _Body(manifest, names, out)
    if "i_x" in names:
        lines = body.unary()
    else:
        lines = body.binary(unit == "fp_add", arguments.get("rounding", _NEVER_ROUNDED))
    random = "i_rbits" if "i_rbits" in names else None
    lines += _rounder(out, arguments, body.scale, body.width, random)
    return _head(inputs, out) + "\n".join(lines) + "\nendmodule\n"


def step(package: Package) -> str:
    """A module ``spec`` of one step of a sum: acc + a * b, rounded once.

    Its inputs are the unit's ``i_a``, ``i_b`` with their modes and biases, and ``acc``, the sum so
    far; its outputs ``y``, the sum after, and ``flags``, those of this rounding. ``before`` says
    whether ``acc`` can be a sum: its NaN is the one that rounding gives, and its value is a
    multiple of the smallest product's last place, if that is not below the smallest value.
    ``after`` says the same of ``y``, and that an infinity has set the flags of an overflow.
    ``infinite``: ``acc`` is one.
    """
    manifest = package.manifest
    arguments = manifest["golden"]["arguments"]
    inputs = [p for p in manifest["ports"] if p["dir"] == "in" and is_operand(p)]
    out = parse_format(arguments["acc"], "acc")
    body = _Body(manifest, {p["name"] for p in inputs}, out)
    lines = body.fused(arguments["rounding"])
    lines += _rounder(out, arguments, body.scale, body.width, None)
    ports = [*inputs, {"name": "acc", "width": out.width}]
    head = _head(ports, out, ("before", "after", "infinite"))
    return head + "\n".join(lines) + "\nendmodule\n"


def is_operand(port: dict[str, Any]) -> bool:
    """Whether an input port of an accumulating unit belongs to the products."""
    return "format" in port or port["name"].startswith(("i_mode", "i_bias"))


def _head(inputs: list[dict[str, Any]], out: FloatFormat, more: tuple[str, ...] = ()) -> str:
    ins = ", ".join(f"input [{p['width'] - 1}:0] {p['name']}" for p in inputs)
    outs = "".join(f", output {name}" for name in more)
    return f"module spec({ins}, output [{out.width - 1}:0] y, output [3:0] flags{outs});\n"


class _Body:
    """The exact result of a unit: wires ``neg``, ``nan``, ``inf``, ``invalid`` and ``mag``."""

    def __init__(self, manifest: dict[str, Any], names: set[str], out: FloatFormat) -> None:
        self.ports = {p["name"]: p for p in manifest["ports"]}
        self.fed: dict[str, str] = manifest["golden"]["inputs"]
        self.names, self.out = names, out
        self.scale = self.width = 0

    def _operand(self, letter: str) -> tuple[_Decoded, list[str]]:
        port = self.ports[f"i_{letter}"]
        bias = self.fed.get("src_bias" if letter == "x" else f"bias_{letter}")
        mode = next((m for m in (f"i_mode_{letter}", "i_mode") if m in self.names), None)
        decoded = _Decoded(letter, parse_operand(port["format"]), bias)
        return decoded, decoded.text(f"i_{letter}", mode)

    def unary(self) -> list[str]:
        """x, times a power of two: a scale, and a run-time bias of the result."""
        x, lines = self._operand("x")
        self.scale, self.width = x.scale, x.width
        shifts = []
        if "i_scale" in self.names:
            low, high = SCALE_RANGE
            shifts.append(f"({{i_scale[6], i_scale}} + 8'd{-low})")
            self.scale, self.width = self.scale - low, self.width + high - low
        if "bias" in self.fed:
            # Rounding x with bias b is rounding x * 2**(b - B) with bias B.
            low, high = RUNTIME_BIAS_RANGE
            shifts.append(f"({{i_bias[6], i_bias}} + 8'd{-low})")
            self.scale, self.width = self.scale + self.out.bias - low, self.width + high - low
        lift = self._lift()
        self.width += lift
        lines += [
            "  wire neg = x_neg, nan = x_nan, inf = x_inf, invalid = 1'b0;",
            f"  wire [{self.width - 1}:0] mag = {{{self.width - x.width}'d0, x_mag}} << {lift}"
            + "".join(f" << {shift}" for shift in shifts) + ";",
        ]  # fmt: skip
        return lines

    def _lift(self) -> int:
        """Places to add below, so that the smallest value of the result is an integer too."""
        lift = max(1, self.out.bias + self.out.man_bits - self.scale + 1)
        self.scale += lift
        return lift

    def binary(self, adds: bool, rounding: str) -> list[str]:
        """a + b or a * b."""
        (a, lines), (b, more) = self._operand("a"), self._operand("b")
        lines += more
        if adds:
            lines += self._sum(a, b, rounding)
            lines.append("  wire nan = a_nan || b_nan || invalid, invalid = clash;")
            return lines
        p, more = self._product(a, b)
        self.scale = p.scale
        lift = self._lift()
        self.width = p.width + lift
        return [
            *lines, *more,
            "  wire nan = p_nan, inf = p_inf, neg = p_neg, invalid = p_invalid;",
            f"  wire [{self.width - 1}:0] mag = {{{lift}'d0, p_mag}} << {lift};",
        ]  # fmt: skip

    def fused(self, rounding: str) -> list[str]:
        """acc + a * b."""
        (a, lines), (b, more) = self._operand("a"), self._operand("b")
        c, d = (_Decoded(name, (self.out,), None) for name in "cd")
        p, product = self._product(a, b)
        lines += [*more, *product, *c.text("acc", None), *d.text("y", None)]
        lines += self._sum(c, p, rounding)
        nan, below = self.out.nan_code, c.scale - p.scale
        # Where something is rounded up to the smallest value, that need not be such a multiple.
        if Fraction(1, 1 << p.scale) < scalar.magnitude(self.out.min_code, self.out):
            below = 0

        def possible(x: str, code: str) -> str:
            known = [f"(!{x}_nan || {code} == {self.out.width}'d{nan or 0})"]
            if below > 0:
                known.append(f"({x}_nan || {x}_inf || {x}_mag[{below - 1}:0] == 0)")
            return " && ".join(known)

        return [
            *lines,
            "  wire invalid = p_invalid || clash;",
            "  wire nan = c_nan || p_nan || clash;",
            f"  assign before = {possible('c', 'acc')};",
            f"  assign after = {possible('d', 'y')} && (!d_inf || (flags[0] && flags[2]));",
            "  assign infinite = c_inf;",
        ]

    def _product(self, a: _Decoded, b: _Decoded) -> tuple[_Value, list[str]]:
        """a * b as p_neg, p_nan, p_inf, p_mag, and p_invalid."""
        p, sig = _Value("p", a.scale + b.scale, a.width + b.width), a.man + b.man + 2
        return p, [
            "  wire p_invalid = !a_nan && !b_nan && "
            "((a_inf && !b_inf && b_sig == 0) || (b_inf && !a_inf && a_sig == 0));",
            "  wire p_nan = a_nan || b_nan || p_invalid;",
            "  wire p_inf = (a_inf || b_inf) && !p_nan;",
            "  wire p_neg = a_neg != b_neg;",
            f"  wire [{sig - 1}:0] p_sig = a_sig * b_sig;",
            "  wire [15:0] p_up = a_up + b_up;",
            f"  wire [{p.width - 1}:0] p_mag = {{{p.width - sig}'d0, p_sig}} << p_up;",
        ]

    def _sum(self, x: _Value, y: _Value, rounding: str) -> list[str]:
        """x + y as inf, neg and mag; ``clash``: it is Inf - Inf."""
        n, k, self.scale = x.name, y.name, max(x.scale, y.scale)
        width = max(v.width + self.scale - v.scale for v in (x, y)) + 1
        up = [self.scale - v.scale for v in (x, y)]
        lift = self._lift()
        self.width = width + lift
        down = int(parse_rounding(rounding).mode == "RDN")
        return [
            f"  wire clash = !{n}_nan && !{k}_nan && {n}_inf && {k}_inf && {n}_neg != {k}_neg;",
            f"  wire inf = {n}_inf || {k}_inf;",
            f"  wire [{width - 1}:0] one = {{{width - x.width}'d0, {n}_mag}} << {up[0]};",
            f"  wire [{width - 1}:0] other = {{{width - y.width}'d0, {k}_mag}} << {up[1]};",
            f"  wire same = {n}_neg == {k}_neg, less = one < other;",
            f"  wire [{width - 1}:0] sum = same ? one + other : less ? other - one : one - other;",
            f"  wire neg = {n}_inf ? {n}_neg : {k}_inf ? {k}_neg : same ? {n}_neg : "
            f"sum == 0 ? 1'b{down} : less ? {k}_neg : {n}_neg;",
            f"  wire [{self.width - 1}:0] mag = {{{lift}'d0, sum}} << {lift};",
        ]
