// What a floating-point code is worth and how an exact value is rounded, written on integers: a
// value is a sign and a magnitude in units of 2^-SCALE, wide enough to hold everything exactly.
// There is no alignment, no guard bit, no shared code with the units: this is the specification.

module spec_decode #(
  parameter EXP = 4, MAN = 3, BIAS = 7,
  parameter ZERO = 0,      // 0 gradual, 1 normal, 2 flush
  parameter SPECIALS = 0,  // 0 none, 1 ieee, 2 fn and dl, 3 fnuz, 4 p3109
  parameter SCALE = 20
) (
  input [EXP+MAN:0] x,
  output neg, nan, inf,
  output [MAN:0] sig,  // the magnitude is sig << up
  output [15:0] up
);
  wire [EXP-1:0] e = x[MAN +: EXP];
  wire [MAN-1:0] m = x[MAN-1:0];
  wire [EXP+MAN-1:0] ones = {EXP+MAN{1'b1}};
  wire nan_zero = x[EXP+MAN] && x[EXP+MAN-1:0] == 0;
  assign neg = x[EXP+MAN];
  assign nan = SPECIALS == 1 ? &e && m != 0 :
               SPECIALS == 2 ? x[EXP+MAN-1:0] == ones :
               SPECIALS >= 3 ? nan_zero : 1'b0;
  assign inf = SPECIALS == 1 ? &e && m == 0 :
               SPECIALS == 4 ? x[EXP+MAN-1:0] == ones : 1'b0;
  wire least = ZERO == 0 || (ZERO == 1 && m != 0);  // of the codes without exponent
  assign sig = e != 0 || (ZERO == 1 && least) ? {1'b1, m} : least ? {1'b0, m} : {MAN+1{1'b0}};
  // In units of 2^-(BIAS+MAN), then in those of 2^-SCALE.
  assign up = (e == 0 && ZERO == 0 ? 1 : e) + (SCALE - BIAS - MAN);
endmodule

module spec_round #(
  parameter EXP = 4, MAN = 3, BIAS = 7, ZERO = 0, SCALE = 20, W = 64,
  parameter MODE = 0,        // 0 RNE, 1 RNA, 2 RTZ, 3 RUP, 4 RDN, 5 RTO, 6 SR
  parameter N = 1,           // random bits of SR
  parameter SATURATE = 1,    // else to INFINITY
  parameter [EXP+MAN-1:0] LARGEST = 0,
  parameter [EXP+MAN:0] INFINITY = 0, NAN = 0,
  parameter INFINITY_IS_NAN = 0, HAS_NAN = 0, NEGATIVE_ZERO = 1
) (
  input neg, nan, inf, invalid,
  input [W-1:0] mag,
  input [N-1:0] random,
  output [EXP+MAN:0] y,
  output [3:0] flags
);
  localparam FIRST = ZERO == 1 ? 0 : 1;  // the lowest exponent field of normal values
  // The smallest value, where there are no values between it and zero.
  localparam [W+1:0] SMALLEST =
    ZERO == 1 ? ((1 << MAN) + {{W+1{1'b0}}, 1'b1}) << (SCALE - BIAS - MAN)
              : {{W+1{1'b0}}, 1'b1} << (SCALE + 1 - BIAS);
  integer top, unit, k;
  reg [W+1:0] whole, rest, half;
  reg [W+N+1:0] fraction;
  reg [W+1:0] code;
  reg up, inexact, tiny, low;
  always @* begin
    top = 0;
    for (k = 0; k < W; k = k + 1) if (mag[k]) top = k;
    low = top - SCALE + BIAS < FIRST;
    // The place of the last bit that the result keeps.
    unit = (low ? FIRST - BIAS + SCALE : top) - MAN;
    if (unit > 0) begin
      whole = mag >> unit;
      rest = mag - (whole << unit);
      half = {{W+1{1'b0}}, 1'b1} << (unit - 1);
    end else begin
      whole = mag << -unit;
      rest = 0;
      half = 1;
    end
    fraction = unit > 0 ? ({{N{1'b0}}, rest} << N) >> unit : 0;
    code = whole;
    tiny = low;
    if (ZERO != 0 && mag < SMALLEST) begin
      // Between zero, which is even, and the smallest value.
      whole = 0;
      rest = mag;
      half = 0;
      tiny = 1;
    end else if (!low) code = whole + ((top - SCALE + BIAS - 1) << MAN);
    inexact = rest != 0;
    if (ZERO != 0 && mag < SMALLEST) begin
      up = MODE == 0 ? (mag << 1) > SMALLEST : MODE == 1 ? (mag << 1) >= SMALLEST :
           MODE == 2 ? 1'b0 : MODE == 3 ? !neg : MODE == 4 ? neg : MODE == 5 ? 1'b1 :
           {{N{1'b0}}, mag} << N >= ({1'b1, {N{1'b0}}} - random) * {{N{1'b0}}, SMALLEST};
      code = up ? (ZERO == 1 ? 1 : 1 << MAN) : 0;
    end else begin
      up = MODE == 0 ? rest > half || (rest == half && whole[0]) : MODE == 1 ? rest >= half :
           MODE == 2 ? 1'b0 : MODE == 3 ? !neg : MODE == 4 ? neg : MODE == 5 ? !whole[0] :
           (fraction + random) >> N != 0;
      code = code + (up && inexact);
    end
    if (mag == 0) begin code = 0; inexact = 0; end
  end
  wire over = code > LARGEST;
  wire toward_zero = MODE == 2 || MODE == 5 || (MODE == 3 && neg) || (MODE == 4 && !neg);
  wire [EXP+MAN:0] beyond =
    SATURATE ? {neg, LARGEST} : INFINITY_IS_NAN ? INFINITY : {neg, INFINITY[EXP+MAN-1:0]};
  wire [EXP+MAN-1:0] kept = over ? LARGEST : code[EXP+MAN-1:0];
  wire sign = neg && (NEGATIVE_ZERO || kept != 0);
  assign y = nan ? NAN : inf || (over && !(toward_zero && !SATURATE)) ? beyond : {sign, kept};
  assign flags[0] = !nan && (inf || over);
  assign flags[1] = !nan && !inf && tiny && inexact;
  assign flags[2] = !nan && (inf || over || inexact);
  assign flags[3] = invalid || (nan && !HAS_NAN);
endmodule
