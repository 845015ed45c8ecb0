"""Which names a generated module may have: what Verilator, Icarus and Yosys all take."""

from __future__ import annotations

import re

from hfp8_hw.errors import ParameterError
from hfp8_hw.parameters.base import MAX_NAME

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_VERILOG = """
    always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign
    default defparam design disable edge else end endcase endconfig endfunction endgenerate
    endmodule endprimitive endspecify endtable endtask event for force forever fork function
    generate genvar highz0 highz1 if ifnone incdir include initial inout input instance integer
    join large liblist library localparam macromodule medium module nand negedge nmos nor
    noshowcancelled not notif0 notif1 or output parameter pmos posedge primitive pull0 pull1
    pulldown pullup pulsestyle_ondetect pulsestyle_onevent rcmos real realtime reg release repeat
    rnmos rpmos rtran rtranif0 rtranif1 scalared showcancelled signed small specify specparam
    strong0 strong1 supply0 supply1 table task time tran tranif0 tranif1 tri tri0 tri1 triand trior
    trireg unsigned use uwire vectored wait wand weak0 weak1 while wire wor xnor xor
"""
VERILOG = frozenset(_VERILOG.split())
"""The 124 keywords of IEEE 1364-2005, annex B."""

_SYSTEMVERILOG = """
    accept_on alias always_comb always_ff always_latch assert assume before bind bins binsof bit
    break byte chandle checker class clocking const constraint context continue cover covergroup
    coverpoint cross dist do endchecker endclass endclocking endgroup endinterface endpackage
    endprogram endproperty endsequence enum eventually expect export extends extern final
    first_match foreach forkjoin global iff ignore_bins illegal_bins implements implies import
    inside int interconnect interface intersect join_any join_none let local logic longint matches
    modport nettype new nexttime null package packed priority program property protected pure rand
    randc randcase randsequence ref reject_on restrict return s_always s_eventually s_nexttime
    s_until s_until_with sequence shortint shortreal soft solve static string strong struct super
    sync_accept_on sync_reject_on tagged this throughout timeprecision timeunit type typedef union
    unique unique0 until until_with untyped var virtual void wait_order weak wildcard with within
"""
SYSTEMVERILOG = frozenset(_SYSTEMVERILOG.split())
"""The 124 keywords that IEEE 1800-2017, annex B, adds."""

TOOLS = {"TOP": "Verilator", "std": "Verilator", "bool": "Icarus", "wone": "Icarus",
         "wreal": "Icarus"}  # fmt: skip
"""Other names that a tool does not take, found by trying (Verilator 5.48, Icarus 11, Yosys 0.70).

Verilator calls its own top TOP and has a package std; Icarus has the words of Verilog-AMS.
"""


def check_name(name: object) -> str:
    """Return ``name`` if a module may be called so.

    Raises
    ------
    ParameterError
        If it is not a Verilog identifier of at most `MAX_NAME` characters, or one that a language
        or a tool keeps to itself.
    """
    if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name) or len(name) > MAX_NAME:
        raise ParameterError(
            f"name={name!r} is not allowed: a Verilog identifier (letters, digits and _, not a "
            f"digit first) of at most {MAX_NAME} characters"
        )
    for words, whose in ((VERILOG, "Verilog"), (SYSTEMVERILOG, "SystemVerilog")):
        if name in words:
            raise ParameterError(f"name={name!r} is not allowed: it is a keyword of {whose}")
    if name in TOOLS:
        raise ParameterError(f"name={name!r} is not allowed: {TOOLS[name]} keeps it to itself")
    return name


def check_unused(name: str, verilog: str) -> None:
    """Refuse a module's name that a port or a signal in its text has too, as Verilator does.

    Raises
    ------
    ParameterError
        If ``name`` occurs in the text of the module more than once.
    """
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", verilog, flags=re.DOTALL)
    if len(re.findall(rf"(?<![\w$']){name}(?![\w$])", text)) > 1:
        raise ParameterError(
            f"name={name!r} is not allowed: a port or a signal of the unit is called so"
        )
