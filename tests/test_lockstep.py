"""What registers that move together hold: that only what holds is proved, whatever the stalls."""

from dataclasses import replace

import pytest

from rtl_gen.package import Package
from verif.formal import pipeline_induction, register_ranges
from verif.simulation import verify
from verif.simulation.simulate import run
from verif.simulation.verify import package_of

from .conftest import HOUR

UNIT = """module u(clk, rst, i_valid, o_ready, i_a, i_b, o_y);
  input clk, rst, i_valid, o_ready;
  input [7:0] i_a, i_b;
  output [15:0] o_y;
  reg [7:0] first, same, second_same, kept, slow;
  reg [8:0] sum, copy;
  reg [15:0] o_y;
  reg valid;
  wire move = o_ready | ~valid;
  always @(posedge clk) valid <= i_valid;
  always @(posedge clk) if (move) first <= i_a & 8'h0f;
  always @(posedge clk) if (move) same <= i_a & 8'h0f;
  always @(posedge clk) if (move) second_same <= same;
  always @(posedge clk) if (move) sum <= first + {1'b0, same};
  always @(posedge clk) if (move) kept <= kept | first;
  always @(posedge clk) if (i_valid) slow <= first;
  always @(posedge clk) if (i_valid) copy <= sum;
  always @(posedge clk) if (move) o_y <= {sum, 7'h0};
endmodule
"""


def small() -> Package:
    """That unit, in a package of another one."""
    made = package_of("relu", ())
    return replace(made, verilog=UNIT, manifest={**made.manifest, "top": "u"})


def test_registers_with_one_enable_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_induction, "_FEW", 1)
    true = ["sum <= 30", "sum[0] == 0", "o_y[14:12] == 0", "first == same", "slow <= 15"]
    # Reached only with a stall; only after a sum; what depends on itself may be anything here.
    false = ["slow == first", "sum <= 29", "sum[4:1] != 15", "first == second_same", "kept <= 15"]
    assert pipeline_induction.proved(small(), [], [*true, *false], HOUR) == true
    # What holds of one set of registers is known of those that look at them.
    assert pipeline_induction.proved(small(), [], ["copy <= 30"], HOUR) == []
    both = ["sum <= 30", "copy <= 30"]
    assert pipeline_induction.proved(small(), both[:1], both[1:], HOUR) == both


@pytest.mark.slow
def test_nothing_is_proved_that_a_simulation_refutes() -> None:
    """Every bit that changes: that it does not, either way."""
    options = {"semantics": "dotN", "lanes": 2, "a": "HFP8_BWD", "b": "HFP8_BWD"}
    made = package_of("dot", tuple(options.items()))
    outcome = run(made, "verilator", verify.phases(made, 1), seed=1, coverage=True)
    changes = [place.change for place in outcome.code if place.change and place.hits]
    claims = [
        f"{net}{'' if bit is None else f'[{bit}]'} == {old}"
        for net, bit, old in changes
        if net != "clk"
    ]
    likely = register_ranges.likely(made)
    found = pipeline_induction.proved(made, likely, claims, HOUR)
    assert outcome.good and len(claims) > 1000
    assert set(found) <= set(likely) and len(found) > 20
