// Stand-in for the CUDA toolkit's crt/host_config.h, as host code of the g++ and Clang family sees it: see native/cuda/README.md.
#pragma once

#define CUDARTAPI
#define CUDARTAPI_CDECL
#define CUDAAPI
#define __host__
#define __device__
#define __global__
#define __shared__
#define __constant__
#define __managed__
