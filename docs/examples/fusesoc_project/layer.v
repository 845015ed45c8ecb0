// relu(a0*b0 + ... + a3*b3), four products of HFP8 (1,4,3) a clock, in DLFLOAT16.
module layer (
  input  wire        clk,
  input  wire        rst,
  input  wire        i_valid,
  output wire        i_ready,
  input  wire [31:0] i_a,      // four codes, a0 lowest
  input  wire [31:0] i_b,
  input  wire        i_last,   // the sum ends with these products
  output wire        o_valid,
  input  wire        o_ready,
  output wire [15:0] o_y
);
  wire        valid, ready;
  wire [15:0] sum;
  wire [3:0]  sum_flags, relu_flags;
  wire        unused = &{1'b0, sum_flags, relu_flags};

  dot4 dot (
    .clk(clk), .rst(rst),
    .i_valid(i_valid), .i_ready(i_ready),
    .i_a0(i_a[7:0]), .i_a1(i_a[15:8]), .i_a2(i_a[23:16]), .i_a3(i_a[31:24]),
    .i_b0(i_b[7:0]), .i_b1(i_b[15:8]), .i_b2(i_b[23:16]), .i_b3(i_b[31:24]),
    .i_first(1'b0), .i_last(i_last),
    .o_valid(valid), .o_ready(ready), .o_y(sum), .o_flags(sum_flags)
  );

  relu16 relu (
    .clk(clk), .rst(rst),
    .i_valid(valid), .i_ready(ready), .i_x(sum),
    .o_valid(o_valid), .o_ready(o_ready), .o_y(o_y), .o_flags(relu_flags)
  );
endmodule
