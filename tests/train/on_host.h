// CUDA as far as the kernels use it, on a CPU: a block is that many threads, blocks run in turn.
#include <barrier>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#define ON_HOST
#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __syncthreads() meet->arrive_and_wait()
#define __syncwarp() warps[threadIdx.x / 32]->arrive_and_wait()

struct dim { unsigned x, y, z; };
struct uint4 { unsigned x, y, z, w; };
static thread_local dim threadIdx, blockIdx;
static std::unique_ptr<std::barrier<>> meet;
static std::vector<std::unique_ptr<std::barrier<>>> warps;

template <class To, class From> static To bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}
static unsigned __float_as_uint(float x) { return bits<unsigned>(x); }
static float __uint_as_float(unsigned x) { return bits<float>(x); }
static long long __double_as_longlong(double x) { return bits<long long>(x); }
static double __longlong_as_double(long long x) { return bits<double>(x); }
static float __fadd_rn(float x, float y) { return x + y; }
static float __fmul_rn(float x, float y) { return x * y; }
static long long __double2ll_rn(double x) { return std::llrint(x); }
using std::copysign, std::fabs, std::fma;

static void copy16(unsigned *to, const unsigned *from) { std::memcpy(to, from, 16); }
static void copies_begin() {}
static void copies_end() {}
static int __ffs(unsigned x) { return __builtin_ffs(x); }

// Blocks of one row of threads, a multiple of 32.
static unsigned __ballot_sync(unsigned, unsigned vote) {
    static unsigned votes[1024];
    votes[threadIdx.x] = vote;
    __syncwarp();
    unsigned all = 0;
    for (unsigned t = 0; t < 32; t++) all |= (unsigned)(votes[threadIdx.x / 32 * 32 + t] != 0) << t;
    __syncwarp();
    return all;
}

// Of kernels whose threads do not wait for each other: one after the other.
static void run_apart(const int *grid, const int *block, const std::function<void()> &kernel) {
    for (unsigned b = 0; b < (unsigned)grid[0]; b++)
        for (unsigned t = 0; t < (unsigned)block[0]; t++) {
            blockIdx = {b, 0, 0};
            threadIdx = {t, 0, 0};
            kernel();
        }
}

static void run(const int *grid, const int *block, const std::function<void()> &kernel) {
    unsigned bx = block[0], by = block[1];
    meet = std::make_unique<std::barrier<>>(bx * by);
    warps.clear();
    for (unsigned w = 0; w < bx / 32; w++) warps.push_back(std::make_unique<std::barrier<>>(32));
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < bx * by; t++)
        threads.emplace_back([=, &kernel] {
            threadIdx = {t % bx, t / bx, 0};
            for (unsigned k = 0; k < (unsigned)(grid[0] * grid[1] * grid[2]); k++) {
                blockIdx = {k % grid[0], k / grid[0] % grid[1], k / grid[0] / grid[1]};
                kernel();
                meet->arrive_and_wait();
            }
        });
    for (auto &thread : threads) thread.join();
}
