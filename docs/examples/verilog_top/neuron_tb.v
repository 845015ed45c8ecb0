// Three sums of four products through neuron.v, with a receiver that stalls every third clock.
//
// The expected values, by hand. HFP8 (1,4,3) has steps of 1/32 from 1/4 to 1/2 and ends at 30:
// 0.3 becomes 0.3125 (inexact), 100 becomes 30 (overflow, inexact), 0.00001 becomes 0 (underflow,
// inexact). DLFLOAT16 (1,6,9) has steps of 1/32 from 16 to 32 and steps of 1 from 512 to 1024.
//   1*1 + 0.3125*2 - 2.5*0.5 + 4*0.25  =  1.375      exponent 31, fraction 192/512: 3ec0
//   30*1 + 0.5*0.3125 + 0*1 - 1*3      =  27.15625   exponent 35, fraction 357/512: 4765
//   30*30 + 1*0.5 + 0*0 + 0*0          =  900.5, a tie that goes up to 901, inexact:
//                                                    exponent 40, fraction 389/512: 5185
module neuron_tb;
  reg         clk = 0;
  reg         rst = 1;
  reg  [31:0] xs[0:11], ws[0:11];
  reg  [15:0] ys[0:2];
  reg  [3:0]  fs[0:2];
  integer     sent = 0, got = 0, clocks = 0, errors = 0;
  wire        x_valid = !rst && sent < 12;
  wire        x_ready, y_valid;
  wire        y_ready = clocks % 3 != 0;
  wire [31:0] x = sent < 12 ? xs[sent] : 0;
  wire [31:0] w = sent < 12 ? ws[sent] : 0;
  wire [15:0] y;
  wire [3:0]  y_flags, q_flags;

  neuron dut (
    .clk(clk), .rst(rst),
    .x_valid(x_valid), .x_ready(x_ready), .x(x), .w(w),
    .y_valid(y_valid), .y_ready(y_ready), .y(y), .y_flags(y_flags), .q_flags(q_flags)
  );

  always #5 clk = ~clk;

  initial begin
    xs[0] = 32'h3f800000; ws[0] = 32'h3f800000;    // 1        1
    xs[1] = 32'h3e99999a; ws[1] = 32'h40000000;    // 0.3      2
    xs[2] = 32'hc0200000; ws[2] = 32'h3f000000;    // -2.5     0.5
    xs[3] = 32'h40800000; ws[3] = 32'h3e800000;    // 4        0.25
    xs[4] = 32'h42c80000; ws[4] = 32'h3f800000;    // 100      1
    xs[5] = 32'h3f000000; ws[5] = 32'h3e99999a;    // 0.5      0.3
    xs[6] = 32'h3727c5ac; ws[6] = 32'h3f800000;    // 0.00001  1
    xs[7] = 32'hbf800000; ws[7] = 32'h40400000;    // -1       3
    xs[8] = 32'h41f00000; ws[8] = 32'h41f00000;    // 30       30
    xs[9] = 32'h3f800000; ws[9] = 32'h3f000000;    // 1        0.5
    xs[10] = 0;           ws[10] = 0;
    xs[11] = 0;           ws[11] = 0;
    ys[0] = 16'h3ec0; fs[0] = 4'b0000;             // 1.375
    ys[1] = 16'h4765; fs[1] = 4'b0000;             // 27.15625
    ys[2] = 16'h5185; fs[2] = 4'b0100;             // 901, inexact
    repeat (2) @(negedge clk);
    rst = 0;
    repeat (200) @(posedge clk);
    $display("FAIL: %0d of 3 sums after 200 clocks", got);
    $finish;
  end

  always @(posedge clk) begin
    clocks <= clocks + 1;
    if (x_valid && x_ready) sent <= sent + 1;
    if (!rst && y_valid && y_ready) begin
      $display("sum %0d: y=%h flags=%b", got, y, y_flags);
      if (y !== ys[got] || y_flags !== fs[got]) begin
        $display("  expected y=%h flags=%b", ys[got], fs[got]);
        errors = errors + 1;
      end
      got <= got + 1;
      if (got == 2) begin
        // Overflow (bit 0), underflow (bit 1) and inexact (bit 2) have happened, invalid has not.
        if (q_flags !== 4'b0111) errors = errors + 1;
        $display("quantizer flags=%b", q_flags);
        if (errors == 0) $display("PASS: 3 sums");
        else $display("FAIL: %0d errors", errors);
        $finish;
      end
    end
  end
endmodule
