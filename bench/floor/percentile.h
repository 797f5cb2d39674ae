/* Exact percentiles of a sorted array; client.c alone includes this. */
#include <math.h>
#include <stdint.h>

/* Order two 64-bit integers, for qsort(3). */
static int ascending(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Interpolate between the two nearest ranks, as numpy.percentile does by default. */
static double percentile(const int64_t *sorted, int64_t count, double percent) {
    double rank = (count - 1) * percent / 100, below = floor(rank);
    int64_t low = sorted[(int64_t)below], high = sorted[(int64_t)ceil(rank)];
    return low + (high - low) * (rank - below);
}
