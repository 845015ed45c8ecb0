// Registers as wires: what turns a pipeline into its combinational form. Enables are dropped (a
// pipeline whose output is always taken moves always); synchronous resets that Yosys has found in
// data are part of the function and stay.
(* techmap_celltype = "$dff" *)
module transparent_dff #(parameter WIDTH = 1, CLK_POLARITY = 1) (
  input CLK, input [WIDTH-1:0] D, output [WIDTH-1:0] Q);
  assign Q = D;
endmodule

(* techmap_celltype = "$dffe" *)
module transparent_dffe #(parameter WIDTH = 1, CLK_POLARITY = 1, EN_POLARITY = 1) (
  input CLK, EN, input [WIDTH-1:0] D, output [WIDTH-1:0] Q);
  assign Q = D;
endmodule

(* techmap_celltype = "$sdff" *)
module transparent_sdff #(parameter WIDTH = 1, CLK_POLARITY = 1, SRST_POLARITY = 1, SRST_VALUE = 0) (
  input CLK, SRST, input [WIDTH-1:0] D, output [WIDTH-1:0] Q);
  assign Q = SRST == SRST_POLARITY ? SRST_VALUE : D;
endmodule

(* techmap_celltype = "$sdffe $sdffce" *)
module transparent_sdffe #(
  parameter WIDTH = 1, CLK_POLARITY = 1, EN_POLARITY = 1, SRST_POLARITY = 1, SRST_VALUE = 0) (
  input CLK, EN, SRST, input [WIDTH-1:0] D, output [WIDTH-1:0] Q);
  assign Q = SRST == SRST_POLARITY ? SRST_VALUE : D;
endmodule
