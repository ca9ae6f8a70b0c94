#include "planes.h"

#include <cstdio>
#include <string>

namespace nb = nanobind;
using nb::literals::operator""_a;

namespace leaf_binding {
namespace {

constexpr int kMostDimensions = 3;
constexpr const char* kFormats[LEAF_PIXEL_FORMATS] = {
    "NV12", "NV21", "I420", "YUYV", "UYVY", "RGB", "BGR", "RGBA", "BGRA", "GRAY8", "P010",
};

// An array as its producer describes it.
struct Array {
  PlaneOwner owner;
  const void* data = nullptr;
  int dimensions = 0;  // may be more than there is room for
  int64_t shape[kMostDimensions] = {}, stride[kMostDimensions] = {};  // bytes
  int64_t item = 0;                                                   // bytes
  bool is_unsigned = false;
  std::string type;  // for people
  int32_t memory = LEAF_MEMORY_HOST, device = -1;
};

// Of a number in the syntax of Python's struct module, which the buffer protocol uses.
std::string type_name(const char* format) {
  constexpr struct {
    char code;
    const char* name;
  } kTypes[] = {{'B', "uint8"},   {'H', "uint16"}, {'I', "uint32"},  {'b', "int8"},
                {'h', "int16"},   {'i', "int32"},  {'e', "float16"}, {'f', "float32"},
                {'d', "float64"}, {'?', "bool"}};
  for (const auto& type : kTypes) {
    if (format[0] == type.code && !format[1]) return type.name;
  }
  return std::string("items of format '") + format + "'";
}

Array from_buffer(nb::handle source) {
  Array array;
  array.owner.view = nb::steal(PyMemoryView_FromObject(source.ptr()));
  if (!array.owner.view.is_valid()) throw nb::python_error();
  const Py_buffer* view = PyMemoryView_GET_BUFFER(array.owner.view.ptr());
  const char* format = view->format ? view->format : "B";
  const uint16_t probe = 1;
  const bool little = *reinterpret_cast<const uint8_t*>(&probe) == 1;
  if (*format == '@' || *format == '=' || *format == (little ? '<' : '>')) ++format;
  array.data = view->buf;
  array.item = view->itemsize;
  array.type = type_name(format);
  array.is_unsigned = array.type == "uint8" || array.type == "uint16";
  array.dimensions = view->ndim;
  for (int d = 0; d < view->ndim && d < kMostDimensions; ++d) {
    array.shape[d] = view->shape[d];
    array.stride[d] = view->strides[d];
  }
  if (view->suboffsets) array.dimensions = 0;  // rows behind pointers: no array of ours
  return array;
}

// A capsule of DLPack's, of its version 1 where the producer knows it: that takes read-only arrays.
nb::object capsule_of(nb::handle source, bool cuda, std::intptr_t stream) {
  nb::dict more;
  if (cuda && stream) more["stream"] = stream;
  const nb::object dlpack = source.attr("__dlpack__");
  try {
    return dlpack("max_version"_a = nb::make_tuple(1, 1), **more);
  } catch (nb::python_error& error) {
    if (!error.matches(PyExc_TypeError)) throw;
  }
  return dlpack(**more);
}

Array from_dlpack(nb::handle source, std::intptr_t stream) {
  bool cuda = false;
  if (nb::hasattr(source, "__dlpack_device__")) {
    const nb::object kind = source.attr("__dlpack_device__")()[0];
    cuda = static_cast<int>(nb::int_(kind)) == nb::device::cuda::value;
  }
  Array array;
  nb::ndarray<nb::ro>& tensor = array.owner.tensor;
  if (!nb::try_cast(capsule_of(source, cuda, stream), tensor)) {
    throw nb::value_error("its DLPack capsule cannot be read");
  }
  array.data = tensor.data();
  const nb::dlpack::dtype type = tensor.dtype();
  array.item = type.bits * type.lanes / 8;
  array.is_unsigned = type.code == static_cast<uint8_t>(nb::dlpack::dtype_code::UInt) &&
                      type.lanes == 1 && type.bits % 8 == 0;
  constexpr const char* kKinds[] = {"int", "uint", "float"};
  array.type = (type.code < 3 ? kKinds[type.code] : "type " + std::to_string(type.code) + " of ") +
               std::to_string(type.bits);
  array.dimensions = static_cast<int>(tensor.ndim());
  for (int d = 0; d < array.dimensions && d < kMostDimensions; ++d) {
    array.shape[d] = static_cast<int64_t>(tensor.shape(static_cast<size_t>(d)));
    array.stride[d] = tensor.stride(static_cast<size_t>(d)) * array.item;
  }
  switch (tensor.device_type()) {
    case nb::device::cpu::value:
    case nb::device::cuda_host::value:
      break;
    case nb::device::cuda::value:
    case nb::device::cuda_managed::value:
      array.memory = LEAF_MEMORY_CUDA;
      array.device = tensor.device_id();
      break;
    default:
      throw nb::value_error(("it is in memory of DLPack device type " +
                             std::to_string(tensor.device_type()) + "; expected the CPU or CUDA")
                                .c_str());
  }
  return array;
}

Array array_of(nb::handle source, std::intptr_t stream) {
  if (PyObject_CheckBuffer(source.ptr())) return from_buffer(source);
  if (nb::hasattr(source, "__dlpack__")) return from_dlpack(source, stream);
  throw nb::value_error(("it is a " + std::string(Py_TYPE(source.ptr())->tp_name) +
                         "; expected an array with the buffer protocol or DLPack")
                            .c_str());
}

std::string list(const int64_t* values, int count) {
  std::string text = "[";
  for (int n = 0; n < count; ++n) text += (n ? ", " : "") + std::to_string(values[n]);
  return text + "]";
}

// Whether the samples of a row are adjacent, over all dimensions after the first.
bool adjacent(const Array& array) {
  int64_t stride = array.item;
  for (int d = array.dimensions - 1; d > 0; --d) {
    if (array.shape[d] != 1 && array.stride[d] != stride) return false;
    stride *= array.shape[d];
  }
  return true;
}

// Why `array` is not a plane of `rows` rows of `row_bytes` bytes, or nothing.
std::string misfit(const Array& array, int32_t rows, int32_t row_bytes, int64_t item) {
  const bool known = array.dimensions == 2 || array.dimensions == 3;
  int64_t row = array.item;
  for (int d = 1; known && d < array.dimensions; ++d) row *= array.shape[d];
  if (!known || !array.is_unsigned || array.item != item || array.shape[0] != rows ||
      row != row_bytes) {
    const int64_t wanted[] = {rows, row_bytes / item};
    return std::string("expected ") + (item == 1 ? "uint8 " : "uint16 ") + list(wanted, 2) +
           ", found " + array.type + " " +
           (array.dimensions > kMostDimensions
                ? "of " + std::to_string(array.dimensions) + " dimensions"
                : list(array.shape, array.dimensions));
  }
  return adjacent(array) ? "" : "samples of a row must be adjacent in memory";
}

[[noreturn]] void refuse(int plane, const FrameShape& s, const std::string& reason) {
  char text[96];
  snprintf(text, sizeof text, "plane %d of a %dx%d %s frame: ", plane, s.width, s.height,
           kFormats[s.format]);
  throw nb::value_error((text + reason).c_str());
}

Array take(nb::handle source, int plane, const FrameShape& s, std::intptr_t stream) {
  try {
    return array_of(source, stream);
  } catch (const nb::builtin_exception& error) {
    refuse(plane, s, error.what());
  } catch (nb::python_error& error) {  // the producer's own refusal
    if (!error.matches(PyExc_Exception) || error.matches(PyExc_MemoryError)) throw;
    refuse(plane, s, nb::str(error.value()).c_str());
  }
}

}  // namespace

HeldFrame hold_frame(nb::sequence planes, const FrameShape& s, std::intptr_t stream) {
  HeldFrame held;
  held.frame.width = s.width;
  held.frame.height = s.height;
  held.frame.format = s.format;
  held.frame.matrix = s.matrix;
  held.frame.range = s.range;
  held.frame.roi = s.roi;
  const int count = leaf_plane_count(s.format);
  const size_t given = nb::len(planes);
  int32_t rows = 0, row_bytes = 0;
  if (count < 0 || leaf_plane_size(s.format, 0, s.width, s.height, &rows, &row_bytes)) {
    return held;  // whoever takes the frame says why
  }
  for (int p = 0; p < count; ++p) {
    leaf_plane_size(s.format, p, s.width, s.height, &rows, &row_bytes);
    held.frame.pitch[p] = row_bytes;
    if (given == 0) continue;
    if (given != static_cast<size_t>(count)) {
      throw nb::value_error((std::string(kFormats[s.format]) + " has " + std::to_string(count) +
                             " plane(s); " + std::to_string(given) + " were given")
                                .c_str());
    }
    Array array = take(planes[static_cast<size_t>(p)], p, s, stream);
    const std::string reason = misfit(array, rows, row_bytes, s.format == LEAF_P010 ? 2 : 1);
    if (!reason.empty()) refuse(p, s, reason);
    if (p && (array.memory != held.memory || array.device != held.device)) {
      refuse(p, s, "it is in other memory than the first plane; expected all in one");
    }
    held.memory = array.memory;
    held.device = array.device;
    held.frame.plane[p] = array.data;
    if (rows > 1) held.frame.pitch[p] = array.stride[0];
    held.planes[p] = std::move(array.owner);
  }
  return held;
}

}  // namespace leaf_binding
