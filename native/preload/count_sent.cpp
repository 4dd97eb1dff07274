// Counts what a process sends to others over IP: an LD_PRELOAD library. A process started with it and with FLOTILLA_SENT_COUNTS naming
// a file finds there, at any time, two 64-bit numbers: calls that sent something, and bytes. Pipes and local sockets do not count.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace {

struct Counts {
  std::atomic<uint64_t> calls, bytes;
};

Counts unused;
Counts* counts = &unused;

template <typename F>
F next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

bool isOverIp(int descriptor) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && (domain == AF_INET || domain == AF_INET6);
}

// The caller reads errno after the call it made.
ssize_t counted(int descriptor, ssize_t sent) {
  const int error = errno;
  if (sent > 0 && isOverIp(descriptor)) {
    counts->calls++;
    counts->bytes += static_cast<uint64_t>(sent);
  }
  errno = error;
  return sent;
}

__attribute__((constructor)) void map() {
  const char* file = std::getenv("FLOTILLA_SENT_COUNTS");
  if (!file) return;
  const int descriptor = open(file, O_RDWR | O_CREAT, 0600);
  if (descriptor < 0 || ftruncate(descriptor, sizeof(Counts)) != 0) return;
  void* mapped = mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (mapped != MAP_FAILED) counts = static_cast<Counts*>(mapped);
  close(descriptor);
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* from, size_t size) {
  static const auto call = next<ssize_t (*)(int, const void*, size_t)>("write");
  return counted(descriptor, call(descriptor, from, size));
}
ssize_t writev(int descriptor, const iovec* parts, int count) {
  static const auto call = next<ssize_t (*)(int, const iovec*, int)>("writev");
  return counted(descriptor, call(descriptor, parts, count));
}
ssize_t send(int descriptor, const void* from, size_t size, int flags) {
  static const auto call = next<ssize_t (*)(int, const void*, size_t, int)>("send");
  return counted(descriptor, call(descriptor, from, size, flags));
}
ssize_t sendto(int descriptor, const void* from, size_t size, int flags, const sockaddr* to, socklen_t length) {
  static const auto call = next<ssize_t (*)(int, const void*, size_t, int, const sockaddr*, socklen_t)>("sendto");
  return counted(descriptor, call(descriptor, from, size, flags, to, length));
}
ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
  static const auto call = next<ssize_t (*)(int, const msghdr*, int)>("sendmsg");
  return counted(descriptor, call(descriptor, message, flags));
}

}  // extern "C"
