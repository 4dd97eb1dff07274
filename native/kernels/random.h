// Random numbers as a pure function of where they are used: Philox 4×32 with 10 rounds (Salmon et al. 2011, "Parallel random
// numbers: as easy as 1, 2, 3"), as ops/random_uniform.ts has it.
//   counter = (low and high word of microbatch·elements + global element index, step, stream), key = the words of the seed
//   uniform = top 24 bits of the first word / 2^24
// Test vector: counters 0 and 1, the rest 0: first words 0x6627e8d5, 0xf8e4cca4.
#pragma once

#include "simd.h"

namespace flotilla {

struct RandomStream {
  uint64_t seed;
  uint32_t step, stream;
};

FLOTILLA_INLINE inline uint32_t philox(uint64_t counter, const RandomStream& s) {
  uint32_t c0 = uint32_t(counter), c1 = uint32_t(counter >> 32), c2 = s.step, c3 = s.stream;
  uint32_t k0 = uint32_t(s.seed), k1 = uint32_t(s.seed >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t a = uint64_t(0xd2511f53u) * c0, b = uint64_t(0xcd9e8d57u) * c2;
    const uint32_t next0 = uint32_t(b >> 32) ^ c1 ^ k0, next2 = uint32_t(a >> 32) ^ c3 ^ k1;
    c1 = uint32_t(b);
    c3 = uint32_t(a);
    c0 = next0;
    c2 = next2;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return c0;
}

FLOTILLA_INLINE inline float uniform(uint64_t counter, const RandomStream& s) {
  return float(philox(counter, s) >> 8) * 0x1p-24f;
}

}  // namespace flotilla
