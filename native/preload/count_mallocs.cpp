// Counts allocations that the addon's own code makes: an LD_PRELOAD library. A process started with it and with
// FLOTILLA_MALLOC_COUNTS naming a file finds there, at any time, two 64-bit numbers: calls, and bytes asked for. Only calls whose
// return address lies in flotilla.node count: what libtorch allocates inside a call is its own.
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

struct Counts {
  std::atomic<uint64_t> calls, bytes;
};

Counts unused;
Counts* counts = &unused;
std::atomic<uintptr_t> begin{0}, end{0};

// The addon is loaded after this library, so it is looked for again until it is there.
int findAddon(dl_phdr_info* info, size_t, void*) {
  if (!info->dlpi_name || !std::strstr(info->dlpi_name, "flotilla.node")) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X)) continue;
    end = info->dlpi_addr + segment.p_vaddr + segment.p_memsz;
    begin = info->dlpi_addr + segment.p_vaddr;
  }
  return 1;
}

void count(const void* caller, size_t size) {
  const auto address = reinterpret_cast<uintptr_t>(caller);
  if (address < begin.load(std::memory_order_relaxed) || address >= end.load(std::memory_order_relaxed)) return;
  counts->calls++;
  counts->bytes += size;
}

__attribute__((constructor)) void map() {
  const char* file = std::getenv("FLOTILLA_MALLOC_COUNTS");
  if (!file) return;
  const int descriptor = open(file, O_RDWR | O_CREAT, 0600);
  if (descriptor < 0 || ftruncate(descriptor, sizeof(Counts)) != 0) return;
  void* mapped = mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (mapped != MAP_FAILED) counts = static_cast<Counts*>(mapped);
  close(descriptor);
}

}  // namespace

extern "C" {

// dlopen is how Node loads an addon: afterwards its addresses are known.
void* dlopen(const char* file, int flags) {
  static const auto next = reinterpret_cast<void* (*)(const char*, int)>(dlsym(RTLD_NEXT, "dlopen"));
  void* opened = next(file, flags);
  if (file && std::strstr(file, "flotilla.node")) dl_iterate_phdr(findAddon, nullptr);
  return opened;
}

void* malloc(size_t size) {
  count(__builtin_return_address(0), size);
  return __libc_malloc(size);
}
void* calloc(size_t number, size_t size) {
  count(__builtin_return_address(0), number * size);
  return __libc_calloc(number, size);
}
void* realloc(void* old, size_t size) {
  count(__builtin_return_address(0), size);
  return __libc_realloc(old, size);
}
int posix_memalign(void** out, size_t alignment, size_t size) {
  count(__builtin_return_address(0), size);
  *out = __libc_memalign(alignment, size);
  return *out ? 0 : 12;
}
void* aligned_alloc(size_t alignment, size_t size) {
  count(__builtin_return_address(0), size);
  return __libc_memalign(alignment, size);
}

}  // extern "C"

void* operator new(size_t size) {
  count(__builtin_return_address(0), size);
  if (void* memory = __libc_malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new[](size_t size) {
  count(__builtin_return_address(0), size);
  if (void* memory = __libc_malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  count(__builtin_return_address(0), size);
  return __libc_malloc(size);
}
