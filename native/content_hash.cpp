#include "content_hash.h"

#include <algorithm>
#include <atomic>

#include "host_copy.h"
#include "kernels/simd.h"

namespace flotilla {

namespace {

constexpr uint32_t placeX = 0x9e3779b1, placeY = 0x27d4eb2f, mixX = 0x85ebca6b, mixY = 0xc2b2ae35;

// Elements that a thread takes at a time, and that are copied out of a device at a time.
constexpr int64_t block = 1 << 15, copied = 1 << 22;

FLOTILLA_INLINE inline uint32_t mixed(uint32_t word, int firstShift, uint32_t first, int secondShift, uint32_t second) {
  uint32_t bits = (word ^ (word >> firstShift)) * first;
  bits = (bits ^ (bits >> secondShift)) * second;
  return bits ^ (bits >> 16);
}

struct Sums {
  uint32_t x = 0, y = 0;
};

template <typename Word>
Sums sumWords(const Word* words, int64_t count, uint32_t place) {
  Sums sums;
  vectorised([&]() FLOTILLA_INLINE {
    const Word* from = words;
    const uint32_t n = static_cast<uint32_t>(count), first = place;
    uint32_t x = 0, y = 0;
#pragma omp simd reduction(+ : x, y)
    for (uint32_t k = 0; k < n; k++) {
      const uint32_t word = from[k], at = first + k;
      x += mixed(word ^ (at * placeX), 15, mixX, 13, mixY);
      y += mixed(word + at * placeY, 16, mixY, 15, mixX);
    }
    sums = {x, y};
  });
  return sums;
}

// Elements that lie one behind the other in the tensor, from place `start` on; fewer than 2³¹.
Sums sumRun(const char* data, int64_t elementBytes, int64_t elements, int64_t start) {
  const int64_t each = std::max<int64_t>(1, elementBytes / 4);
  const auto place = static_cast<uint32_t>(start * each);
  if (elementBytes == 1) return sumWords(reinterpret_cast<const uint8_t*>(data), elements, place);
  if (elementBytes == 2) return sumWords(reinterpret_cast<const uint16_t*>(data), elements, place);
  return sumWords(reinterpret_cast<const uint32_t*>(data), elements * each, place);
}

// Where an element of the box stands in the tensor.
int64_t placeOf(const HashedBox& box, int64_t element) {
  int64_t place = box.start + element % box.run;
  int64_t rest = element / box.run;
  for (size_t d = box.sizes.size(); d-- > 0; rest /= box.sizes[d]) place += rest % box.sizes[d] * box.strides[d];
  return place;
}

// Elements [from, to) of the box, which lie at `data`.
Sums sumPart(const HashedBox& box, const char* data, int64_t from, int64_t to) {
  Sums sums;
  for (int64_t at = from; at < to;) {
    const int64_t elements = std::min(to - at, box.run - at % box.run);
    const Sums run = sumRun(data + (at - from) * box.elementBytes, box.elementBytes, elements, placeOf(box, at));
    sums.x += run.x;
    sums.y += run.y;
    at += elements;
  }
  return sums;
}

Sums sumOnThreads(const HashedBox& box, const char* data, int64_t from, int64_t to) {
  std::atomic<uint32_t> x = 0, y = 0;
  parallelBlocks(to - from, block, [&](int64_t begin, int64_t end) {
    const Sums part = sumPart(box, data + begin * box.elementBytes, from + begin, from + end);
    x += part.x;
    y += part.y;
  });
  return {x, y};
}

int64_t elementsOf(const HashedBox& box) {
  int64_t elements = box.run;
  for (const int64_t size : box.sizes) elements *= size;
  return elements;
}

}  // namespace

void addContent(const std::vector<HashedBox>& boxes, c10::Device device, uint32_t* sums) {
  std::vector<char> outside;
  for (const HashedBox& box : boxes) {
    const int64_t elements = elementsOf(box);
    const int64_t part = device.is_cpu() ? elements : copied;
    for (int64_t from = 0; from < elements; from += part) {
      const int64_t to = std::min(elements, from + part);
      const char* data = box.data + from * box.elementBytes;
      if (!device.is_cpu()) {
        outside.resize((to - from) * box.elementBytes);
        copyFromDevice(outside.data(), data, static_cast<int64_t>(outside.size()), device);
        data = outside.data();
      }
      const Sums found = sumOnThreads(box, data, from, to);
      sums[2 * box.hash] += found.x;
      sums[2 * box.hash + 1] += found.y;
    }
  }
}

}  // namespace flotilla
