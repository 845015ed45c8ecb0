"""A script that packages a wrapped unit for Vivado's IP catalogue."""

from __future__ import annotations

_TEXT = """# SPDX-License-Identifier: Apache-2.0
#
# Packages {top} for Vivado's IP catalogue:  vivado -mode batch -source {top}_ip.tcl
#
# NOT RUN: hfp8-hw is developed without Vivado. This script follows the documented commands, and
# nobody has tried it yet.

set here [file dirname [file normalize [info script]]]
create_project -in_memory -part xc7a35ticsg324-1L
add_files -norecurse [list "$here/{name}.v" "$here/{top}.v"]
set_property top {top} [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir "$here/{top}_ip" -vendor hfp8-hw -library units \\
  -taxonomy /UserIP -import_files
set core [ipx::current_core]
set_property name {top} $core
ipx::associate_bus_interfaces -busif s_axis -clock clk $core
ipx::associate_bus_interfaces -busif m_axis -clock clk $core
ipx::infer_bus_interface {reset} xilinx.com:signal:reset_rtl:1.0 $core
set_property value {polarity} [ipx::add_bus_parameter POLARITY \\
  [ipx::get_bus_interfaces {reset} -of_objects $core]]
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::save_core $core
"""


def script(name: str, top: str, reset: str, low: bool) -> str:
    """The text of ``ip.tcl``: which module it wraps, and the reset's name and polarity."""
    polarity = "ACTIVE_LOW" if low else "ACTIVE_HIGH"
    return _TEXT.format(name=name, top=top, reset=reset, polarity=polarity)
