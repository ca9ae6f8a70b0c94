// The context behind runtime/include/leaf_edge/views.h: checks, tables kept per geometry, and the
// loop over output rows.
#include "leaf_edge/views.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>
#include <vector>

#include "memory.h"
#include "views_context.h"
#include "views_kernels.h"
#include "views_plain.h"
#include "views_plan.h"

namespace leaf {
namespace {

const Kernels* kernels_for(int isa) {
  switch (isa) {
    case LEAF_ISA_SCALAR:
      return &kScalarKernels;
#ifdef LEAF_X86
    // These ask the operating system too whether it keeps the registers.
    case LEAF_ISA_AVX2:
      return __builtin_cpu_supports("avx2") ? &kAvx2Kernels : nullptr;
    case LEAF_ISA_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                     __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
                     __builtin_cpu_supports("avx512ifma")
                 ? &kAvx512Kernels
                 : nullptr;
#endif
#ifdef LEAF_AARCH64
    case LEAF_ISA_NEON:
      return &kNeonKernels;
#endif
    default:
      return nullptr;
  }
}

int best_isa() {
  for (const int isa : {LEAF_ISA_AVX512, LEAF_ISA_AVX2, LEAF_ISA_NEON}) {
    if (leaf_isa_available(isa)) return isa;
  }
  return LEAF_ISA_SCALAR;
}

}  // namespace
}  // namespace leaf

struct leaf_views {
  explicit leaf_views(std::pmr::memory_resource* from)
      : memory(from), plan(from), column_sums(from) {}

  std::pmr::memory_resource* memory;
  int isa = LEAF_ISA_AUTO;
  const leaf::Kernels* kernels = nullptr;
  bool planned = false;
  leaf::Plan plan;
  std::pmr::vector<uint32_t> column_sums;  // one row of them, of 16 or 32 bits each
  uint32_t sums[3][leaf::kSize];
  int32_t mean[3][leaf::kSize];
  uint16_t sample[3][leaf::kSize];
  char message[256] = "";
};

namespace leaf {
namespace {

// Where the reason for -EINVAL goes.
struct Message {
  char* text;
  size_t size;
};

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int invalid(const Message& message, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message.text, message.size, format, arguments);
  va_end(arguments);
  return -EINVAL;
}

// The region that is read: the frame where none is given.
leaf_roi region(const leaf_frame& f) {
  const leaf_roi& roi = f.roi;
  if (!roi.x && !roi.y && !roi.width && !roi.height) return {0, 0, f.width, f.height};
  return roi;
}

int check(const Message& m, const leaf_frame& f, bool planes) {
  const FormatLayout* layout = format_layout(f.format);
  if (!layout) {
    return invalid(m, "pixel format code is %d; expected 0 to %d", f.format,
                   LEAF_PIXEL_FORMATS - 1);
  }
  if (f.width < 1 || f.height < 1 || f.width > LEAF_MAX_DIMENSION ||
      f.height > LEAF_MAX_DIMENSION) {
    return invalid(m, "frame is %dx%d; expected 1 to %d pixels along each side", f.width, f.height,
                   LEAF_MAX_DIMENSION);
  }
  if (f.range != LEAF_LIMITED && f.range != LEAF_FULL) {
    return invalid(m, "colour range code is %d; expected 0 (limited) or 1 (full)", f.range);
  }
  if (layout->yuv ? f.matrix < LEAF_BT601 || f.matrix > LEAF_BT2020 : f.matrix != LEAF_NO_MATRIX) {
    return invalid(m, "colour matrix code is %d; expected %s", f.matrix,
                   layout->yuv ? "0 (BT.601), 1 (BT.709) or 2 (BT.2020)" : "-1: not a YUV format");
  }
  for (int p = 0; planes && p < layout->planes; ++p) {
    const int64_t row = plane_samples(layout->plane[p], f.width) * layout->sample_bytes;
    if (!f.plane[p]) return invalid(m, "plane %d is missing", p);
    if (f.pitch[p] < row && plane_rows(layout->plane[p], f.height) > 1) {
      return invalid(m, "pitch of plane %d is %lld bytes, less than a row of %lld", p,
                     static_cast<long long>(f.pitch[p]), static_cast<long long>(row));
    }
    if (f.pitch[p] > INT32_MAX && plane_rows(layout->plane[p], f.height) > 1) {
      return invalid(m, "pitch of plane %d is %lld bytes; expected at most %d", p,
                     static_cast<long long>(f.pitch[p]), INT32_MAX);
    }
  }
  const leaf_roi roi = region(f);
  if (roi.x < 0 || roi.y < 0 || roi.width < 1 || roi.height < 1 || roi.width > f.width - roi.x ||
      roi.height > f.height - roi.y) {
    return invalid(m, "region of interest %dx%d at (%d, %d) is empty or leaves the %dx%d frame",
                   roi.width, roi.height, roi.x, roi.y, f.width, f.height);
  }
  return 0;
}

bool same_geometry(const Plan& plan, const leaf_frame& f) {
  const leaf_roi roi = region(f);
  return plan.format == f.format && plan.width == f.width && plan.height == f.height &&
         memcmp(&plan.roi, &roi, sizeof roi) == 0;
}

// A row of G where the box sums need 64 bits: frames of tens of megapixels (P010: of four) whose
// sides share few factors with 224.
void wide_row_means(const uint32_t* row, const ComponentPlan& c, uint64_t scale, int32_t* out) {
  for (int i = 0; i < kSize; ++i) {
    const uint32_t* v = row + c.position[i];
    const int32_t stride = c.filter.stride, last = (c.x.count[i] - 1) * stride;
    uint64_t inner = 0;
    for (int32_t k = stride; k < last; k += stride) inner += v[k];
    const uint64_t sum = static_cast<uint64_t>(c.x.w_first[i]) * v[0] + c.x.w_inner * inner +
                         static_cast<uint64_t>(c.x.w_last[i]) * v[last];
    out[i] = static_cast<int32_t>((sum * scale + (uint64_t{1} << (kMeanShift - 1))) >> kMeanShift);
  }
}

void global_row(leaf_views& v, const leaf_frame& f, const Color& color, int i, uint8_t* out) {
  const Plan& plan = v.plan;
  const FormatLayout& layout = *plan.layout;
  const Kernels& kernel = *v.kernels;
  uint32_t* sums32 = v.column_sums.data();
  uint16_t* sums16 = reinterpret_cast<uint16_t*>(sums32);
  for (int p = 0; p < layout.planes; ++p) {
    const PlanePlan& plane = plan.plane[p];
    const int32_t first = plane.y.first[i], rows = plane.y.count[i];
    const Column column = {
        static_cast<const uint8_t*>(f.plane[p]) + first * f.pitch[p] +
            plane.begin * layout.sample_bytes,
        f.pitch[p],
        rows,
        i + 1 < kSize ? plane.y.first[i + 1] + plane.y.count[i + 1] - (first + rows) : 0,
        static_cast<uint32_t>(plane.y.w_first[i]),
        plane.y.w_inner,
        static_cast<uint32_t>(plane.y.w_last[i]),
        plane.samples,
    };
    if (plane.split) {
      kernel.column_sums_8_16_split(column, sums16, sums16 + plan.half);
    } else if (!plane.wide) {
      kernel.column_sums_8_16(column, sums16);
    } else if (layout.sample_bytes == 1) {
      kernel.column_sums_8_32(column, sums32);
    } else {
      kernel.column_sums_10_32(column, sums32);
    }
    for (int k = 0; k < layout.components; ++k) {
      const ComponentPlan& c = plan.component[k];
      if (layout.component[k].plane != p) continue;
      if (plan.wide) {
        wide_row_means(sums32, c, plan.scale, v.mean[k]);
      } else if (plane.wide) {
        kernel.row_sums_32(sums32, c.filter, v.sums[k]);
      } else {
        kernel.row_sums_16(sums16, c.filter, v.sums[k]);
      }
    }
  }
  const int second = layout.components > 1 ? 1 : 0, last = layout.components - 1;
  uint8_t* const rgb[3] = {out, out + kSize * kSize, out + 2 * kSize * kSize};
  if (plan.wide) {
    const int32_t* const mean[3] = {v.mean[0], v.mean[second], v.mean[last]};
    color_means(mean, color, rgb);
  } else {
    const uint32_t* const sums[3] = {v.sums[0], v.sums[second], v.sums[last]};
    kernel.color_sums(sums, plan.scale, color, rgb);
  }
}

void fragment_row(leaf_views& v, const leaf_frame& f, const Color& color, int row, uint8_t* out) {
  const Plan& plan = v.plan;
  const FormatLayout& layout = *plan.layout;
  for (int k = 0; k < layout.components; ++k) {
    const int p = layout.component[k].plane;
    const uint8_t* samples = static_cast<const uint8_t*>(f.plane[p]) +
                             plan.fragment_y[row] / layout.plane[p].sub_y * f.pitch[p];
    v.kernels->fragment_samples(samples, plan.component[k].fragments, v.sample[k]);
  }
  const int second = layout.components > 1 ? 1 : 0, last = layout.components - 1;
  const uint16_t* const sample[3] = {v.sample[0], v.sample[second], v.sample[last]};
  uint8_t* const rgb[3] = {out, out + kSize * kSize, out + 2 * kSize * kSize};
  v.kernels->color_samples(sample, color, rgb);
}

void run(leaf_views& v, const leaf_frame& f, uint8_t* out) {
  const Plan& plan = v.plan;
  const Color color = make_color(f.format, f.matrix, f.range);
  uint8_t* fragments = out + LEAF_VIEWS_BYTES / 2;
  for (int i = 0; i < kSize; ++i) {
    global_row(v, f, color, i, out + i * kSize);
    for (int k = plan.fragment_begin[i]; k < plan.fragment_begin[i + 1]; ++k) {
      const int row = plan.fragment_order[k];
      fragment_row(v, f, color, row, fragments + row * kSize);
    }
  }
}

}  // namespace

int resolve_isa(int isa) { return isa == LEAF_ISA_AUTO ? best_isa() : isa; }

int open_views(leaf_views** views, int isa, std::pmr::memory_resource* memory) {
  if (!views || isa < LEAF_ISA_AUTO || isa >= LEAF_ISAS) return -EINVAL;
  isa = resolve_isa(isa);
  if (!leaf_isa_available(isa)) return -ENOTSUP;
  void* room;
  try {
    room = memory->allocate(sizeof(leaf_views), alignof(leaf_views));
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
  leaf_views* v = new (room) leaf_views(memory);
  v->isa = isa;
  v->kernels = kernels_for(isa);
  *views = v;
  return 0;
}

bool views_match(const leaf_views& v, const leaf_frame& frame) {
  return v.planned && same_geometry(v.plan, frame);
}

int prepare_views(leaf_views& v, const leaf_frame& frame) {
  if (views_match(v, frame)) return 0;
  v.planned = false;
  try {
    make_plan(v.plan, frame, region(frame));
    v.column_sums.assign(static_cast<size_t>(v.plan.row_elements), 0);
  } catch (const std::bad_alloc&) {
    snprintf(v.message, sizeof v.message, "out of memory for the tables of a %dx%d frame",
             frame.width, frame.height);
    return -ENOMEM;
  }
  v.planned = true;
  return 0;
}

int check_frame(const leaf_frame& frame, bool planes, char* message, size_t size) {
  return check({message, size}, frame, planes);
}

}  // namespace leaf

int leaf_views_open(leaf_views** views, int isa) {
  return leaf::open_views(views, isa, leaf::plain_memory());
}

int leaf_views_run(leaf_views* v, const leaf_frame* frame, uint8_t* out) {
  if (!v) return -EINVAL;
  const leaf::Message message = {v->message, sizeof v->message};
  v->message[0] = '\0';
  if (!frame || !out) return leaf::invalid(message, "frame or out is NULL");
  if (const int error = leaf::check(message, *frame, true)) return error;
  if (const int error = leaf::prepare_views(*v, *frame)) return error;
  leaf::run(*v, *frame, out);
  return 0;
}

const char* leaf_views_message(const leaf_views* views) { return views ? views->message : ""; }

int leaf_views_isa(const leaf_views* views) { return views ? views->isa : -EINVAL; }

void leaf_views_close(leaf_views* views) {
  if (!views) return;
  std::pmr::memory_resource* const memory = views->memory;
  views->~leaf_views();
  memory->deallocate(views, sizeof(leaf_views), alignof(leaf_views));
}

int leaf_isa_available(int isa) { return leaf::kernels_for(isa) != nullptr; }

const char* leaf_isa_name(int isa) {
  constexpr const char* kNames[LEAF_ISAS] = {"auto", "scalar", "avx2", "avx512", "neon"};
  return isa >= 0 && isa < LEAF_ISAS ? kNames[isa] : nullptr;
}

int leaf_plane_count(int format) {
  const leaf::FormatLayout* layout = leaf::format_layout(format);
  return layout ? layout->planes : -EINVAL;
}

int leaf_plane_size(int format, int plane, int32_t width, int32_t height, int32_t* rows,
                    int32_t* row_bytes) {
  const leaf::FormatLayout* layout = leaf::format_layout(format);
  if (!layout || plane < 0 || plane >= layout->planes || width < 1 || height < 1 ||
      width > LEAF_MAX_DIMENSION || height > LEAF_MAX_DIMENSION || !rows || !row_bytes) {
    return -EINVAL;
  }
  *rows = static_cast<int32_t>(leaf::plane_rows(layout->plane[plane], height));
  *row_bytes =
      static_cast<int32_t>(leaf::plane_samples(layout->plane[plane], width) * layout->sample_bytes);
  return 0;
}
