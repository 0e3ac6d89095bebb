/* Kernels that are compiled more than once: for any CPU of the architecture, and for those that have more.
 *
 * A kernel is written once, in plain C that compilers vectorise, as a SIMD_KERNEL; one wrapper for each
 * instruction set calls it, and the compiler inlines and vectorises it there. Which wrapper runs is decided
 * by the CPU that the code finds itself on: a build serves every machine, and needs no ifunc of the C
 * library. All wrappers of a kernel give the same result to the bit: elementwise arithmetic does not depend
 * on the width, and the build forbids the compiler to fuse multiplications with additions.
 */
#ifndef CLUTCH_SIMD_H
#define CLUTCH_SIMD_H

enum simd { SIMD_BASE, SIMD_AVX2, SIMD_SETS };

#define SIMD_KERNEL static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define SIMD_TARGET_AVX2 __attribute__((target("avx2")))
#else
#define SIMD_TARGET_AVX2 /* simd_best never asks for it */
#endif

/* The best instruction set of this CPU. */
static inline enum simd simd_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return SIMD_AVX2;
#endif
    return SIMD_BASE;
}

#endif
