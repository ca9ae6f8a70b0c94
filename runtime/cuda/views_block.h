// One row of both views: what a block of the kernel does, over a small abstraction of a block, so
// that the host steps through the same code, thread after thread (views_host.cpp).
//
//   Block   each(f)      f(thread, state) in every thread; state: what the thread keeps in
//   registers
//           sync()       no thread goes on before all are here
//           store(word, values)   four words of shared memory; load16(i), load32(i)
//   Source  words(plane, row, chunk), byte(plane, row, byte)   the frame's memory; kRows: of a turn
#pragma once

#include "views_device.h"

namespace leaf {
namespace device {

struct ThreadState {
  int32_t sample[3];  // of this thread's pixel of F
};

// Chunks of a plane that output columns j0 to j1 - 1 need.
struct ChunkRange {
  int32_t begin, count;
};

LEAF_DEVICE ChunkRange chunk_range(const Frame& f, const Plane& p, int32_t j0, int32_t j1) {
  const Axis& x = f.x;
  const int32_t lo = j0 * x.n + x.offset * x.m, hi = j1 * x.n + x.offset * x.m;
  const int32_t first = to_sample(x, p.pixels, lo), last = to_sample(x, p.pixels, hi - 1);
  const int32_t begin = first * p.unit / kChunk;
  return {begin, ((last + 1) * p.unit - 1) / kChunk - begin + 1};
}

template <class Block, bool kTen, bool kWide>
LEAF_DEVICE void store_chunk(Block& block, const Chunk& c, const Span& y, int32_t at) {
  constexpr int32_t kWords = kSumWords<kTen, kWide>;
  uint32_t out[kWords];
  LEAF_UNROLL(unroll)
  for (int i = 0; i < 4; ++i) unpack<kTen, kWide>(c, i, y, out + i * kWords / 4);
  LEAF_UNROLL(unroll)
  for (int32_t i = 0; i < kWords; i += 4) block.store(at * kWords + i, out + i);
}

// Source::kRows rows are on their way at a time: their loads do not wait for each other.
template <class Source, bool kTen>
LEAF_DEVICE Chunk sum_rows(const Plane& p, const Span& y, int32_t at) {
  Chunk c = {};
  c.first = Source::words(p, y.first, at);
  const int32_t last = y.first + y.count - 1;
  if (y.count > 1) c.last = Source::words(p, last, at);
  for (int32_t row = y.first + 1; row < last; row += Source::kRows) {
    Words w[Source::kRows];
    LEAF_UNROLL(unroll)
    for (int32_t k = 0; k < Source::kRows; ++k) {
      w[k] = {};
      if (row + k < last) w[k] = Source::words(p, row + k, at);
    }
    LEAF_UNROLL(unroll)
    for (int32_t k = 0; k < Source::kRows; ++k) add_row<kTen>(c, w[k]);
  }
  return c;
}

template <class Source, class Block>
LEAF_DEVICE void sum_chunk(Block& block, const Frame& f, const Plane& p, const Span& y,
                           int32_t chunk, int32_t at) {
  if (f.sample_bytes == 2) {
    store_chunk<Block, true, true>(block, sum_rows<Source, true>(p, y, chunk), y, at);
  } else {
    const Chunk c = sum_rows<Source, false>(p, y, chunk);
    if (f.wide) {
      store_chunk<Block, false, true>(block, c, y, at);
    } else {
      store_chunk<Block, false, false>(block, c, y, at);
    }
  }
}

// Column sums of all planes over the rows of output row i, for output columns j0 to j1 - 1.
template <class Sources, class Block>
LEAF_DEVICE void sum_columns(Block& block, const Frame& f, int32_t i, int32_t j0, int32_t j1,
                             int32_t thread) {
  int32_t at = thread, before = 0;  // chunks of all planes are counted through
  for (int32_t n = 0; n < f.planes; ++n) {
    const Plane& p = f.plane[n];
    const ChunkRange range = chunk_range(f, p, j0, j1);
    const int32_t end = before + range.count;
    if (at < end) {
      const Span y = box_span(f.y, p.sub_y, i);
      for (; at < end; at += kThreads) {
        const int32_t chunk = range.begin + at - before;
        const bool whole = (chunk + 1) * kChunk <= p.row_bytes;
        Sources::with(f, p, whole,
                      [&](auto source) { sum_chunk<decltype(source)>(block, f, p, y, chunk, at); });
      }
    }
    before = end;
  }
}

// The box sum of one component from the column sums: `at` is the first one's place.
template <bool kWide, class Block>
LEAF_DEVICE uint64_t sum_row(const Block& block, const Span& x, int32_t at, int32_t stride) {
  const auto load = [&](int32_t place) {
    return kWide ? block.load32(place) : block.load16(place);
  };
  const uint32_t first = load(at), last = load(at + (x.count - 1) * stride);
  uint32_t inner = 0;  // at most 74 sums below 2^24
  LEAF_UNROLL(unroll 4)
  for (int32_t k = 1; k < x.count - 1; ++k) inner += load(at + k * stride);
  const auto weight = [](int32_t value) { return static_cast<uint32_t>(value); };
  if (!kWide) {  // below 2^16 * 2^14
    return first * weight(x.w_first) + inner * weight(x.w_inner) + last * weight(x.w_last);
  }
  return static_cast<uint64_t>(first) * weight(x.w_first) +
         static_cast<uint64_t>(inner) * weight(x.w_inner) +
         static_cast<uint64_t>(last) * weight(x.w_last);
}

template <class Block>
LEAF_DEVICE void write_global(const Block& block, const Frame& f, int32_t i, int32_t j0, int32_t j1,
                              int32_t j) {
  int32_t mean[3] = {};
  const int32_t samples = f.sample_bytes == 2 ? kChunk / 2 : kChunk;  // of a chunk
  LEAF_UNROLL(unroll)
  for (int32_t k = 0; k < 3; ++k) {
    if (k >= f.components) break;
    const Component& c = f.component[k];
    int32_t before = 0;
    for (int32_t n = 0; n < c.plane; ++n) before += chunk_range(f, f.plane[n], j0, j1).count;
    const int32_t begin = chunk_range(f, f.plane[c.plane], j0, j1).begin;
    const Span x = box_span(f.x, c.sub_x, j);
    const int32_t at = (before - begin) * samples + c.offset + x.first * c.stride;
    mean[k] = box_mean(
        f, f.wide ? sum_row<true>(block, x, at, c.stride) : sum_row<false>(block, x, at, c.stride));
  }
  if (f.components == 1) mean[1] = mean[2] = mean[0];
  write_means(f, reinterpret_cast<uint8_t*>(f.out), i, j, mean);
}

template <class Source>
LEAF_DEVICE int32_t sample_at(const Frame& f, const Component& c, int32_t y, int32_t x) {
  const Plane& p = f.plane[c.plane];
  const int32_t row = p.sub_y == 2 ? y >> 1 : y, column = c.sub_x == 2 ? x >> 1 : x;
  const int32_t byte = (c.offset + column * c.stride) * f.sample_bytes;
  const uint32_t low = Source::byte(p, row, byte);
  // By bytes: the pitch of 16-bit samples may be odd.
  if (f.sample_bytes == 1) return static_cast<int32_t>(low);
  return static_cast<int32_t>((low | Source::byte(p, row, byte + 1) << 8) >> 6);
}

template <class Sources, class Block>
LEAF_DEVICE void make_row(Block& block, const Frame& f, int32_t i) {
  // The samples of F are asked for first and used last: they come while G is made.
  block.each([&](int32_t thread, ThreadState& state) {
    if (thread >= kSize) return;
    const int32_t y = fragment_pixel(f.y, i), x = fragment_pixel(f.x, thread);
    Sources::with(f, f.plane[0], false, [&](auto source) {
      for (int k = 0; k < 3; ++k) {
        state.sample[k] = k < f.components ? sample_at<decltype(source)>(f, f.component[k], y, x)
                                           : state.sample[0];
      }
    });
  });
  for (int32_t j0 = 0; j0 < kSize; j0 += f.tile) {
    const int32_t j1 = j0 + f.tile < kSize ? j0 + f.tile : kSize;
    if (j0 > 0) block.sync();
    block.each(
        [&](int32_t thread, ThreadState&) { sum_columns<Sources>(block, f, i, j0, j1, thread); });
    if (j0 == 0) {
      block.each([&](int32_t thread, ThreadState& state) {
        if (thread >= kSize) return;
        write_samples(f, reinterpret_cast<uint8_t*>(f.out) + 3 * kPixels, i, thread, state.sample);
      });
    }
    block.sync();
    block.each([&](int32_t thread, ThreadState&) {
      if (j0 + thread < j1) write_global(block, f, i, j0, j1, j0 + thread);
    });
  }
}

// Frames in memory that is read row by row.
template <class Bytes, class Vector4, class Vector16>
struct Linear {
  template <class Body>
  LEAF_DEVICE static void with(const Frame&, const Plane& p, bool whole, const Body& body) {
    if (!whole || p.access == 1) {
      body(Bytes{});
    } else if (p.access == 4) {
      body(Vector4{});
    } else {
      body(Vector16{});
    }
  }
};

// The same or block-linear arrays, frame by frame.
template <class LinearSources, class SurfaceBytes, class Surface>
struct Mixed {
  template <class Body>
  LEAF_DEVICE static void with(const Frame& f, const Plane& p, bool whole, const Body& body) {
    if (f.surface && whole) {
      body(Surface{});
    } else if (f.surface) {
      body(SurfaceBytes{});  // a read that leaves the row in part may give nothing of it
    } else {
      LinearSources::with(f, p, whole, body);
    }
  }
};

LEAF_DEVICE const uint8_t* row_at(const Plane& p, int32_t row) {
  return reinterpret_cast<const uint8_t*>(p.address) + row * p.pitch;
}

}  // namespace device
}  // namespace leaf
