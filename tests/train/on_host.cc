// The kernels as functions of their arguments: pointers in p, integers in i.
extern "C" void run_pack(const int *grid, const int *block, void **p, const int *i) {
    run(grid, block, [=] {
        pack((unsigned char *)p[0], (float *)p[1], (float *)p[2], (int *)p[3], i[0], i[1], i[2],
             i[3], i[4], i[5], i[6], i[7], i[8], i[9]);
    });
}
extern "C" void run_rounded_gemm(const int *grid, const int *block, void **p, const int *i) {
    run(grid, block, [=] {
        rounded_gemm((float *)p[0], (float *)p[1], (int *)p[2], (int *)p[3], (short *)p[4],
                     (float *)p[5], i[0], i[1], i[2], i[3], i[4], i[5], i[6], i[7], i[8], i[9],
                     i[10], i[11], i[12]);
    });
}
extern "C" void run_join(const int *grid, const int *block, void **p, const int *i) {
    run(grid, block, [=] {
        join((float *)p[0], (int *)p[1], (int *)p[2], (short *)p[3], i[0], i[1], i[2], i[3], i[4],
             i[5], i[6], i[7], i[8]);
    });
}
extern "C" void run_exact_gemm(const int *grid, const int *block, void **p, const int *i) {
    run(grid, block, [=] {
        exact_gemm((float *)p[0], (float *)p[1], (int *)p[2], (int *)p[3], (short *)p[4], i[0],
                   i[1], i[2], i[3], i[4], i[5], i[6], i[7], i[8], i[9], i[10], i[11], i[12]);
    });
}
