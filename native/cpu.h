// What this machine's processor offers to kernels.
#pragma once

#include <string>
#include <vector>

namespace flotilla {

// Names as in Linux's /proc/cpuinfo ("avx2", "avx512_bf16", "amx_bf16"), of those that kernels ask for and the system saves.
std::vector<std::string> cpuFeatures();

}  // namespace flotilla
