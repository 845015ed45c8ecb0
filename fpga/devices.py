"""The devices that units are measured on, and their flows: data."""

from __future__ import annotations

from dataclasses import dataclass

from hfp8_hw.errors import ParameterError

LARGE = 32000
"""A netlist of so many cells, registers among them, is placed as a large one: left alone, nextpnr's
default placer leaves so much wire in a core of 128 or 256 products that the router does not
finish."""


@dataclass(frozen=True)
class Sites:
    """Where a device has what `fpga.floorplan` gives sites to.

    Members
    -------
    rows : y, by row of MULT18X18D
    columns : x of each group of them in a row
    blocks : (x from the group's, number within it), by block
    logic_columns, logic_rows : x and y of tiles with registers
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    blocks: tuple[tuple[int, int], ...]
    logic_columns: tuple[int, ...]
    logic_rows: tuple[int, ...]


@dataclass(frozen=True)
class Device:
    """One FPGA.

    Members
    -------
    synth : Yosys command; ``{top}`` and ``{dsp}`` are filled in
    dsp : (without, with) DSP blocks: what goes in for ``{dsp}``; the same where it cannot choose
    place : nextpnr tool and its fixed arguments
    luts, ffs, dsps, memories : names of cells and what each counts
    area_from : ``nextpnr`` or ``yosys``, who counts the LUTs
    serial : bool
        Feed the unit through shift registers, for flows that need a pin for every port.
    pins : str
        The constraints file ``pins.cst``, where the tool insists on one.
    packs : bool
        Make use of block RAMs' registers (`fpga.memory_registers`) and, with DSP blocks, of theirs
        (`fpga.dsp_registers`) and of the carry cells' spare inputs (`fpga.carry`).
    large : tuple of str
        Further arguments of nextpnr for a netlist of `LARGE` cells or more in which
        `fpga.floorplan` gives no registers a site.
    sites : Sites, optional
        For `fpga.floorplan`.
    """

    title: str
    synth: str
    dsp: tuple[str, str]
    place: tuple[str, ...]
    luts: dict[str, int]
    ffs: dict[str, int]
    dsps: tuple[str, ...]
    memories: tuple[str, ...]
    area_from: str
    serial: bool
    pins: str = ""
    packs: bool = False
    large: tuple[str, ...] = ()
    sites: Sites | None = None

    @property
    def has_dsp(self) -> bool:
        """Whether there are DSP blocks to choose."""
        return self.dsp[0] != self.dsp[1]


_ICE40 = {
    "synth": "synth_ice40 {dsp} -top {top} -json design.json",
    "luts": {"SB_LUT4": 1},
    "ffs": {
        f"SB_DFF{n}{e}{r}": 1
        for n in ("", "N")
        for e in ("", "E")
        for r in ("", "SR", "SS", "R", "S")
    },
    "dsps": ("SB_MAC16",),
    "memories": ("SB_RAM40_4K", "SB_SPRAM256KA"),
    "area_from": "yosys",
    "serial": True,
}

DEVICES: dict[str, Device] = {
    "ecp5-85k": Device(
        title="Lattice ECP5 LFE5U-85F, speed 6",
        synth="synth_ecp5 {dsp} -top {top} -json design.json",
        dsp=("-nodsp", ""),
        place=("nextpnr-ecp5", "--85k", "--speed", "6", "--package", "CABGA756",
               "--freq", "200", "--out-of-context"),
        large=("--placer", "static"),
        luts={"TRELLIS_COMB": 1},
        ffs={"TRELLIS_FF": 1},
        dsps=("MULT18X18D", "ALU54B"),
        memories=("DP16KD",),
        area_from="nextpnr",
        serial=False,
        packs=True,
        sites=Sites(
            rows=(10, 34, 58),
            columns=(4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114),
            blocks=((0, 0), (1, 1), (4, 4), (5, 5)),
            logic_columns=tuple(range(4, 122)),
            # Between them are block RAMs and DSP blocks.
            logic_rows=tuple(y for y in range(3, 91) if (y + 2) % 12),
        ),
    ),
    "ice40-hx8k": Device(
        title="Lattice iCE40 HX8K",
        dsp=("", ""),
        place=("nextpnr-ice40", "--hx8k", "--package", "ct256", "--freq", "100"),
        **_ICE40,  # type: ignore[arg-type]
    ),
    "ice40-up5k": Device(
        title="Lattice iCE40 UP5K",
        dsp=("", "-dsp"),
        place=("nextpnr-ice40", "--up5k", "--package", "sg48", "--freq", "48"),
        **_ICE40,  # type: ignore[arg-type]
    ),
    "gowin-gw2a-18": Device(
        title="Gowin GW2A-18C, C8/I7",
        synth="synth_gowin {dsp} -family gw2a -top {top} -json design.json",
        dsp=("-nodsp", ""),
        place=("nextpnr-himbaechel-gowin", "--device", "GW2A-LV18PG256C8/I7",
               "--vopt", "family=GW2A-18", "--vopt", "cst=pins.cst", "--freq", "100"),
        luts={"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "ALU": 1},
        ffs={f"DFF{kind}": 1 for kind in (
            "", "E", "S", "SE", "R", "RE", "P", "PE", "C", "CE")},
        dsps=("MULT9X9", "MULT18X18", "MULTADDALU18X18", "MULT12X12"),
        memories=("DPX9B", "DPB", "SDPX9B", "SDPB", "SPX9", "SP"),
        area_from="yosys",
        serial=True,
        pins='IO_LOC "clk" H11;\nIO_LOC "si" T13;\nIO_LOC "so" M11;\n',
    ),
}  # fmt: skip


def check_device(name: object) -> Device:
    """The device of that name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if not isinstance(name, str) or name not in DEVICES:
        raise ParameterError(f"device={name!r} is not allowed: one of {', '.join(DEVICES)}")
    return DEVICES[name]
