// Stand-in for the CUDA toolkit's crt/host_defines.h, as host code of the g++ and Clang family sees it: see native/cuda/README.md.
#pragma once

#include "crt/host_config.h"

#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __align__(n)
#define __no_return__ __attribute__((noreturn))
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __inline_hint__
#define __location__(name)
#define __annotate__(name)
#define __device_builtin__
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define __cudart_builtin__
#define __cuda_builtin_vector_align8(tag, members) \
  struct __align__(8) tag {                        \
    members                                        \
  }
