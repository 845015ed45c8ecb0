// Four products, summed: x and w are binary32, both are rounded to HFP8 (1,4,3), and y is the sum
// of four products in DLFLOAT16. One pair a clock while nothing stalls.
module neuron (
  input  wire        clk,
  input  wire        rst,
  input  wire        x_valid,
  output wire        x_ready,
  input  wire [31:0] x,
  input  wire [31:0] w,
  output wire        y_valid,
  input  wire        y_ready,
  output wire [15:0] y,
  output wire [3:0]  y_flags,  // {invalid, inexact, underflow, overflow} of the sum
  output reg  [3:0]  q_flags   // the same of all roundings to 8 bits since reset
);
  wire       q_valid, q_ready;
  wire [7:0] a, b;
  wire [3:0] a_flags, b_flags;
  reg  [1:0] count;  // where in its sum the pair at the mac is

  quantizer quantize (
    .clk(clk), .rst(rst),
    .i_valid(x_valid), .i_ready(x_ready), .i_x0(x), .i_x1(w),
    .o_valid(q_valid), .o_ready(q_ready), .o_y0(a), .o_y1(b),
    .o_flags0(a_flags), .o_flags1(b_flags)
  );
  mac sum (
    .clk(clk), .rst(rst),
    .i_valid(q_valid), .i_ready(q_ready), .i_a(a), .i_b(b),
    .i_first(count == 0), .i_last(count == 3),
    .o_valid(y_valid), .o_ready(y_ready), .o_y(y), .o_flags(y_flags)
  );

  always @(posedge clk)
    if (rst) begin
      count <= 0;
      q_flags <= 0;
    end else if (q_valid && q_ready) begin
      count <= count + 1;
      q_flags <= q_flags | a_flags | b_flags;
    end
endmodule
