/* Fortran has no word for "this memory will be wanted soon"; see memory.f90. */

/* Into the second-level cache: the first is small, and full of the present column. */
enum { CACHE_LINE = 64, SECOND_LEVEL = 2 };

void socnn_prefetch(int count, const double *start)
{
#if defined(__GNUC__)
    const int step = CACHE_LINE / (int)sizeof(double);
    for (int i = 0; i < count; i += step)
        __builtin_prefetch(start + i, 0, SECOND_LEVEL);
#else
    (void)count;
    (void)start;
#endif
}
