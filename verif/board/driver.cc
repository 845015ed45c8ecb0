// A UART at the pins of a simulated board. Built together with what Verilator makes of the module.
#include <cstdint>
#include <deque>
#include <memory>

#include "Vboard.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

struct Board {
  VerilatedContext context;
  Vboard top{&context};
  double bit = 100;        // clocks
  std::deque<uint8_t> to;  // bytes for the board
  std::deque<uint8_t> from;
  int sent = 10;           // bits of the byte that is being sent
  unsigned sending = 0;
  double send_left = 0;
  int got = -1;            // bits of the byte that is coming; -1: none is
  unsigned coming = 0;
  double come_left = 0;
  uint64_t clocks = 0;
  uint64_t broken = 0;     // bytes without a stop bit

  void tick() {
    top.clk = 0;
    top.eval();
    top.clk = 1;
    top.eval();
    ++clocks;
  }

  void send() {
    if (sent == 10) {
      if (to.empty()) {
        top.rx = 1;
        return;
      }
      sending = (to.front() << 1) | 0x200;
      to.pop_front();
      sent = 0;
      send_left += bit;
      if (send_left < 0) send_left = bit;
    }
    top.rx = (sending >> sent) & 1;
    send_left -= 1;
    if (send_left < 1) {
      ++sent;
      if (sent < 10) send_left += bit;
    }
  }

  void come() {
    if (got < 0) {
      if (!top.tx) {
        got = 0;
        coming = 0;
        come_left = bit / 2;
      }
      return;
    }
    come_left -= 1;
    if (come_left > 0) return;
    come_left += bit;
    if (got == 0) {
      got = top.tx ? -1 : 1;
      return;
    }
    if (got == 9) {
      if (top.tx)
        from.push_back(coming);
      else
        ++broken;
      got = -1;
      return;
    }
    coming |= unsigned(top.tx) << (got - 1);
    ++got;
  }

  bool idle() const { return to.empty() && sent == 10 && got < 0 && !top.active; }
};

}  // namespace

extern "C" {

Board* board_new(uint64_t build) {
  auto board = std::make_unique<Board>();
  board->top.build = build;
  board->top.rx = 1;
  return board.release();
}

void board_delete(Board* board) { delete board; }

void board_reset(Board* board, int64_t clocks) {
  board->top.rst = 1;
  for (int64_t k = 0; k < clocks; ++k) board->tick();
  board->top.rst = 0;
  board->got = -1;
}

void board_rate(Board* board, double bit) { board->bit = bit; }

void board_give(Board* board, const uint8_t* bytes, int64_t count) {
  board->to.insert(board->to.end(), bytes, bytes + count);
}

// Runs some clocks, fewer if a byte came or there is nothing left to do; the clocks.
int64_t board_run(Board* board, int64_t clocks, int64_t stop_idle) {
  int64_t k = 0;
  for (; k < clocks && board->from.empty(); ++k) {
    board->send();
    board->tick();
    board->come();
    if (stop_idle && board->idle()) return k + 1;
  }
  return k;
}

int64_t board_take(Board* board, uint8_t* bytes, int64_t most) {
  int64_t k = 0;
  for (; k < most && !board->from.empty(); ++k) {
    bytes[k] = board->from.front();
    board->from.pop_front();
  }
  return k;
}

int64_t board_idle(Board* board) { return board->idle(); }

void board_drop(Board* board) { board->to.clear(); }

}  // extern "C"
