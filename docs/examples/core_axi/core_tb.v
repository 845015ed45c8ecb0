// Five jobs through a generated core: registers by AXI4-Lite, matrices by AXI4-Stream, all with pauses.
//
// vectors.py writes what the streams carry. Each line of a file is a beat: 1, tlast, then the payload.
module core_tb;
  localparam M = 'h10, N = 'h14, K = 'h18, OPERANDS = 'h1c, RESULT = 'h20, START = 'h24, STATUS = 'h28,
    ERROR = 'h2c, REFUSED = 'h30, DONE = 'h34, INTERRUPT_ENABLE = 'h60, INTERRUPT_PENDING = 'h64;
  // Fields of OPERANDS and of RESULT; MINUS_3 is a scale, in two's complement.
  localparam TRANSPOSE_A = 1, TRANSPOSE_B = 2, MODE_B = 8, LOAD = 'h30, PAGE_1 = 'h10100;
  localparam RELU = 1, QUANTIZE = 2, BIAS = 8, ACCUMULATE = 'h10, MINUS_3 = 'h7d0000;

  reg clk = 0, rst = 1;
  always #5 clk = ~clk;

  reg         awvalid = 0, wvalid = 0, bready = 0, arvalid = 0, rready = 0;
  reg  [7:0]  awaddr = 0, araddr = 0;
  reg  [31:0] wdata = 0, word;
  wire        awready, wready, bvalid, arready, rvalid, irq;
  wire [1:0]  bresp, rresp;
  wire [31:0] rdata;

  reg  [23:0] a[0:255], b[0:255];
  reg  [39:0] c[0:255];
  reg  [51:0] y[0:255];
  reg  [7:0]  a_next = 0, b_next = 0, c_next = 0, y_next = 0;
  integer     errors = 0, seed = 1;
  reg         a_valid = 0, b_valid = 0, c_valid = 0, y_ready = 0;
  wire        a_ready, b_ready, c_ready, y_valid, y_last;
  wire [31:0] y_data;
  wire [3:0]  y_keep;
  wire [7:0]  y_user;
  // Where tkeep is 0 the data do not count.
  wire [31:0] y_kept = {y_keep[2] ? y_data[31:16] : 16'd0, y_data[15:0]};

  core dut (
    .clk(clk), .rst(rst), .irq(irq),
    .s_axi_awvalid(awvalid), .s_axi_awready(awready), .s_axi_awaddr(awaddr), .s_axi_awprot(3'd0),
    .s_axi_wvalid(wvalid), .s_axi_wready(wready), .s_axi_wdata(wdata), .s_axi_wstrb(4'hf),
    .s_axi_bvalid(bvalid), .s_axi_bready(bready), .s_axi_bresp(bresp),
    .s_axi_arvalid(arvalid), .s_axi_arready(arready), .s_axi_araddr(araddr), .s_axi_arprot(3'd0),
    .s_axi_rvalid(rvalid), .s_axi_rready(rready), .s_axi_rdata(rdata), .s_axi_rresp(rresp),
    .s_axis_a_tvalid(a_valid), .s_axis_a_tready(a_ready),
    .s_axis_a_tdata(a[a_next][15:0]), .s_axis_a_tlast(a[a_next][16]),
    .s_axis_b_tvalid(b_valid), .s_axis_b_tready(b_ready),
    .s_axis_b_tdata(b[b_next][15:0]), .s_axis_b_tlast(b[b_next][16]),
    .s_axis_c_tvalid(c_valid), .s_axis_c_tready(c_ready),
    .s_axis_c_tdata(c[c_next][31:0]), .s_axis_c_tlast(c[c_next][32]),
    .m_axis_tvalid(y_valid), .m_axis_tready(y_ready), .m_axis_tdata(y_data),
    .m_axis_tkeep(y_keep), .m_axis_tuser(y_user), .m_axis_tlast(y_last)
  );

  function integer below(input integer most);
    below = $unsigned($random(seed)) % most;
  endfunction

  wire [7:0] a_after = a_valid && a_ready ? a_next + 1 : a_next;
  wire [7:0] b_after = b_valid && b_ready ? b_next + 1 : b_next;
  wire [7:0] c_after = c_valid && c_ready ? c_next + 1 : c_next;

  // A beat is offered at random; once offered, it stays until it is taken.
  always @(posedge clk) if (!rst) begin
    a_next <= a_after; a_valid <= a_valid && !a_ready || a[a_after][20] && below(2) == 0;
    b_next <= b_after; b_valid <= b_valid && !b_ready || b[b_after][20] && below(3) == 0;
    c_next <= c_after; c_valid <= c_valid && !c_ready || c[c_after][36] && below(3) == 0;
    y_ready <= below(2) == 0;
    if (y_valid && y_ready) begin
      if ({y_last, y_keep, y_user, y_kept} !== y[y_next][44:0]) begin
        $display("beat %0d: %b %h %h %h", y_next, y_last, y_keep, y_user, y_kept);
        $display("  expected %b %h", y[y_next][44], y[y_next][43:0]);
        errors = errors + 1;
      end
      y_next <= y_next + 1;
    end
  end

  // Address and data come in any order, and the response is taken at any time.
  task write(input [7:0] address, input [31:0] data);
    fork
      begin
        repeat (below(4)) @(negedge clk);
        awvalid = 1; awaddr = address;
        @(posedge clk); while (!awready) @(posedge clk);
        @(negedge clk) awvalid = 0;
      end
      begin
        repeat (below(4)) @(negedge clk);
        wvalid = 1; wdata = data;
        @(posedge clk); while (!wready) @(posedge clk);
        @(negedge clk) wvalid = 0;
      end
      begin
        repeat (below(8)) @(negedge clk);
        bready = 1;
        @(posedge clk); while (!bvalid) @(posedge clk);
        if (bresp != 0) errors = errors + 1;
        @(negedge clk) bready = 0;
      end
    join
  endtask

  task read(input [7:0] address);
    begin
      arvalid = 1; araddr = address;
      @(posedge clk); while (!arready) @(posedge clk);
      @(negedge clk) arvalid = 0;
      repeat (below(4)) @(negedge clk);
      rready = 1;
      @(posedge clk); while (!rvalid) @(posedge clk);
      word = rdata;
      if (rresp != 0) errors = errors + 1;
      @(negedge clk) rready = 0;
    end
  endtask

  task check(input [7:0] address, input [31:0] due);
    begin
      read(address);
      if (word !== due) begin
        $display("register %h: %h, expected %h", address, word, due);
        errors = errors + 1;
      end
    end
  endtask

  task start(input [31:0] m, input [31:0] n, input [31:0] k, input [31:0] operands, input [31:0] result);
    begin
      read(STATUS);
      while (word[1]) read(STATUS);  // The queue is full.
      write(M, m); write(N, n); write(K, k);
      write(OPERANDS, operands); write(RESULT, result);
      write(START, 1);
    end
  endtask

  initial begin
    $readmemh("a.hex", a); $readmemh("b.hex", b); $readmemh("c.hex", c); $readmemh("y.hex", y);
    repeat (2) @(negedge clk);
    rst = 0;
    write(INTERRUPT_ENABLE, 2);  // A job was refused.
    start(3, 5, 7, LOAD, 0);
    start(4, 2, 9, LOAD | PAGE_1 | TRANSPOSE_A | TRANSPOSE_B | MODE_B, 0);
    start(2, 2, 0, LOAD, 0);
    start(5, 3, 8, LOAD, BIAS | RELU | QUANTIZE | MINUS_3);
    start(2, 6, 4, LOAD | PAGE_1, ACCUMULATE);
    while (!irq) @(negedge clk);
    check(ERROR, 1);  // m, n or k is 0
    write(ERROR, 0);
    write(INTERRUPT_PENDING, 2);
    read(DONE);
    while (word != 4) read(DONE);
    check(REFUSED, 1);
    check(ERROR, 0);
    // All beats that were due, and no more.
    if (irq || y[y_next - 1][48] != 1 || y[y_next][48] != 0) errors = errors + 1;
    if (errors == 0) $display("PASS: 4 jobs, %0d beats", y_next);
    else $display("FAIL: %0d errors", errors);
    $finish;
  end

  initial begin
    repeat (20000) @(posedge clk);
    $display("FAIL: %0d beats after 20000 clocks", y_next);
    $finish;
  end
endmodule
