// Frame descriptions: whatever the numbers are, leaf_views_run refuses them or reads the planes'
// bytes alone, and every instruction set gives the same views. An input is up to three frames, one
// after the other on the same contexts; each plane has exactly the bytes that its description
// claims.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "leaf_edge/views.h"
#include "views_frames.h"

namespace {

constexpr int64_t kMostBytes = 1 << 20;  // of a plane; larger ones only cost time
constexpr int32_t kMostPixels = 1 << 15;

#define REQUIRE(condition)                                            \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                        \
    }                                                                 \
  } while (false)

// Numbers from the front of the input; zeros behind its end.
class Reader {
 public:
  Reader(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  template <class T>
  T next() {
    T value = 0;
    const size_t count = left_ < sizeof value ? left_ : sizeof value;
    if (count) memcpy(&value, data_, count);
    data_ += count;
    left_ -= count;
    return value;
  }
  size_t left() const { return left_; }
  const uint8_t* data() const { return data_; }

 private:
  const uint8_t* data_;
  size_t left_;
};

// Any numbers at all, or ones that are close to a frame that can be.
leaf_frame describe(Reader& reader, bool wild) {
  leaf_frame frame = {};
  if (wild) {
    frame.width = reader.next<int32_t>();
    frame.height = reader.next<int32_t>();
    frame.format = reader.next<int32_t>();
    frame.matrix = reader.next<int32_t>();
    frame.range = reader.next<int32_t>();
    for (int64_t& pitch : frame.pitch) pitch = reader.next<int64_t>();
    frame.roi = {reader.next<int32_t>(), reader.next<int32_t>(), reader.next<int32_t>(),
                 reader.next<int32_t>()};
    return frame;
  }
  frame.width = 1 + reader.next<uint16_t>() % 1024;
  frame.height = 1 + reader.next<uint16_t>() % 1024;
  if (frame.width * frame.height > kMostPixels) frame.height = 1 + kMostPixels / (2 * frame.width);
  frame.format = reader.next<uint8_t>() % LEAF_PIXEL_FORMATS;
  const bool yuv = frame.format < LEAF_RGB || frame.format == LEAF_P010;
  frame.matrix = yuv ? reader.next<uint8_t>() % 3 : LEAF_NO_MATRIX;
  frame.range = reader.next<uint8_t>() % 2;
  for (int plane = 0; plane < 3; ++plane) {
    int32_t rows = 0, bytes = 0;
    const int8_t padding = reader.next<int8_t>();  // below 0: a pitch that is too small
    if (!leaf_plane_size(frame.format, plane, frame.width, frame.height, &rows, &bytes)) {
      frame.pitch[plane] = bytes + padding;
    }
  }
  if (reader.next<uint8_t>() % 2) {
    frame.roi = {reader.next<int16_t>() % 1024, reader.next<int16_t>() % 1024,
                 reader.next<int16_t>() % 1024, reader.next<int16_t>() % 1024};
  }
  return frame;
}

class Contexts {
 public:
  Contexts() {
    for (int isa = LEAF_ISA_SCALAR; isa < LEAF_ISAS; ++isa) {
      leaf_views* views = nullptr;
      if (!leaf_views_open(&views, isa)) all_.push_back(views);
    }
  }
  ~Contexts() {
    for (leaf_views* views : all_) leaf_views_close(views);
  }
  const std::vector<leaf_views*>& all() const { return all_; }

 private:
  std::vector<leaf_views*> all_;
};

// Bytes that a plane of this description spans, 1 where it cannot be: then it must not be read. The
// pitch of a single row does not matter.
int64_t plane_bytes(const leaf_frame& frame, int plane) {
  int32_t rows = 0, bytes = 0;
  const int64_t pitch = frame.pitch[plane];
  if (leaf_plane_size(frame.format, plane, frame.width, frame.height, &rows, &bytes)) return 1;
  if (rows == 1) return bytes;
  if (pitch < bytes) return 1;
  return pitch > kMostBytes ? kMostBytes + 1 : (rows - 1) * pitch + bytes;
}

// `only`: an index of the contexts, or beyond them for all, which are then compared.
void run(leaf_frame frame, uint8_t where, size_t only, Reader& content, const Contexts& contexts) {
  std::unique_ptr<leaf_test::Guarded> guarded[3];
  std::unique_ptr<uint8_t[]> heap[3];
  for (int plane = 0; plane < 3; ++plane) {
    const int64_t bytes = plane_bytes(frame, plane);
    if (bytes > kMostBytes) return;
    const size_t size = static_cast<size_t>(bytes);
    uint8_t* data;
    if (where % 4 < 2) {  // the kernels' masked loads are seen by a guard page only
      guarded[plane] = std::make_unique<leaf_test::Guarded>(size, where % 4 == 1);
      data = guarded[plane]->data();
    } else {
      heap[plane].reset(data = new uint8_t[size]);
    }
    uint32_t state = content.next<uint32_t>() | 1;
    for (size_t n = 0; n < size; ++n) {
      data[n] = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
    }
    if (where % 4 != 3 || plane != where / 4 % 3) frame.plane[plane] = data;
  }

  const auto first = std::make_unique<uint8_t[]>(LEAF_VIEWS_BYTES);
  int first_error = 1;
  for (size_t n = 0; n < contexts.all().size(); ++n) {
    if (only < contexts.all().size() && n != only) continue;
    leaf_views* views = contexts.all()[n];
    const auto out = std::make_unique<uint8_t[]>(LEAF_VIEWS_BYTES);
    memset(out.get(), 0xA5, LEAF_VIEWS_BYTES);
    const int error = leaf_views_run(views, &frame, out.get());
    REQUIRE(error == 0 || error == -EINVAL);
    REQUIRE((error == 0) == !strcmp(leaf_views_message(views), ""));
    if (first_error == 1) {
      first_error = error;
      memcpy(first.get(), out.get(), LEAF_VIEWS_BYTES);
      if (error) memset(first.get(), 0xA5, LEAF_VIEWS_BYTES);  // untouched on error
    }
    REQUIRE(error == first_error);
    REQUIRE(!memcmp(out.get(), first.get(), LEAF_VIEWS_BYTES));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader reader(data, size);
  const Contexts contexts;
  for (int n = 0; n < 3 && reader.left(); ++n) {
    const uint8_t kind = reader.next<uint8_t>();
    const leaf_frame frame = describe(reader, kind % 4 == 3);
    run(frame, reader.next<uint8_t>(), (kind / 4 + 7u) % 8, reader, contexts);
  }
  return 0;
}
