// leaf_edge._native, the part of leaf_edge/leaf.h: the class Context.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "context.h"
#include "isa.h"

namespace nb = nanobind;
using leaf_binding::Context;
using nb::literals::operator""_a;

namespace {

// What does not fit is out of range as well, which leaf_open says with the range.
int32_t clamp(int64_t value) {
  return static_cast<int32_t>(std::clamp<int64_t>(value, std::numeric_limits<int32_t>::min(),
                                                  std::numeric_limits<int32_t>::max()));
}

const char* path_text(const nb::bytes& path) {
  if (strlen(path.c_str()) != path.size()) throw nb::value_error("a path holds a NUL character");
  return path.c_str();
}

void open(Context* self, const nb::bytes& path, const std::vector<std::string>& engines,
          int64_t threads, int64_t batch, int64_t queue, const std::string& isa, int64_t device,
          bool self_test, int64_t require_signature, const std::vector<nb::bytes>& keys,
          std::intptr_t cuda_stream, const std::optional<nb::bytes>& onnxruntime,
          const std::optional<nb::bytes>& tensorrt, nb::object logger) {
  leaf_settings s;
  leaf_default_settings(&s);
  if (engines.size() > LEAF_MAX_ENGINES) throw nb::value_error("more engines than there are");
  s.engines[0] = LEAF_ENGINE_NONE;
  for (size_t n = 0; n < engines.size(); ++n) {
    int code = 1;
    while (code < LEAF_ENGINES && engines[n] != leaf_engine_name(code)) ++code;
    if (code == LEAF_ENGINES) {
      throw nb::value_error(
          ("unknown engine '" + engines[n] + "'; expected cpu, cuda or tensorrt").c_str());
    }
    s.engines[n] = code;
  }
  uint8_t key[LEAF_MAX_KEYS][LEAF_KEY_BYTES];
  if (keys.size() > LEAF_MAX_KEYS) throw nb::value_error("more than 8 keys were given");
  for (size_t n = 0; n < keys.size(); ++n) {
    if (keys[n].size() != LEAF_KEY_BYTES) {
      throw nb::value_error("a key has another size; expected the 32 bytes of an Ed25519 key");
    }
    memcpy(key[n], keys[n].c_str(), LEAF_KEY_BYTES);
  }
  s.threads = clamp(threads);
  s.batch = clamp(batch);
  s.queue = clamp(queue);
  s.isa = leaf_binding::isa_code(isa);
  s.device = clamp(device);
  s.self_test = self_test;
  s.require_signature = clamp(require_signature);
  s.keys = static_cast<int32_t>(keys.size());
  s.key = keys.empty() ? nullptr : key;
  s.cuda_stream = reinterpret_cast<void*>(cuda_stream);
  s.onnxruntime = onnxruntime ? path_text(*onnxruntime) : nullptr;
  s.tensorrt = tensorrt ? path_text(*tensorrt) : nullptr;
  path_text(path);
  new (self) Context(path, s, std::move(logger));
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return nb::inst_ready(self) ? nb::inst_ptr<Context>(self)->traverse(visit, arg) : 0;
}

int clear(PyObject* self) {
  if (nb::inst_ready(self)) nb::inst_ptr<Context>(self)->clear();
  return 0;
}

PyType_Slot kSlots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                        {Py_tp_clear, reinterpret_cast<void*>(clear)},
                        {0, nullptr}};

#define LEAF_INPUT \
  "tuple[collections.abc.Sequence[object], int, int, int, int, int, int, int, int, int]"
#define LEAF_FIELDS                                                                           \
  "tuple[float, float, float, float, tuple[float, ...], int, " /* reason, then times in ns */ \
  "int, int, int, int]"

}  // namespace

void bind_context(nb::module_& module) {
  module.def(
      "versions", [] { return std::make_pair(leaf_api_version(), std::string(leaf_version())); },
      nb::sig("def versions() -> tuple[int, str]"),
      "LEAF_API_VERSION, and the version of the project.");
  nb::class_<Context>(
      module, "Context", nb::type_slots(kSlots), nb::is_weak_referenceable(),
      "A leaf_context (runtime/include/leaf_edge/leaf.h). Any thread may call it; calls that the\n"
      "library wants one at a time take turns, with the interpreter unlocked while they wait and\n"
      "work. leaf_edge.runtime.native_context.Context is this with types of Python's.\n\n"
      "An input is (planes, width, height, format, matrix, range, x, y, roi_width, roi_height).\n"
      "Fields of a score: mos, mos_lo, mos_hi, raw, faults, reason, queue_ns, views_ns,\n"
      "inference_ns, mapping_ns. BundleError for a LEAF_E_ code, else ValueError, MemoryError,\n"
      "BlockingIOError or RuntimeError.")
      .def("__init__", &open, "path"_a, nb::kw_only(), "engines"_a, "threads"_a = 1, "batch"_a = 1,
           "queue"_a = 0, "isa"_a = "auto", "device"_a = 0, "self_test"_a = false,
           "require_signature"_a = 0, "keys"_a = std::vector<nb::bytes>(), "cuda_stream"_a = 0,
           "onnxruntime"_a = nb::none(), "tensorrt"_a = nb::none(), "logger"_a = nb::none(),
           nb::sig("def __init__(self, path: bytes, *, engines: collections.abc.Sequence[str], "
                   "threads: int = 1, batch: int = 1, queue: int = 0, isa: str = 'auto', "
                   "device: int = 0, self_test: bool = False, require_signature: int = 0, "
                   "keys: collections.abc.Sequence[bytes] = (), cuda_stream: int = 0, "
                   "onnxruntime: bytes | None = None, tensorrt: bytes | None = None, "
                   "logger: collections.abc.Callable[[int, str], object] | None = None) -> None"),
           "leaf_open. `logger` gets level and line, on the thread of a call and before it ends.")
      .def("prepare", &Context::prepare, "inputs"_a,
           nb::sig("def prepare(self, inputs: collections.abc.Sequence[" LEAF_INPUT "]) -> None"),
           "leaf_prepare. Planes may be empty.")
      .def("score", &Context::score, "inputs"_a,
           nb::sig("def score(self, inputs: collections.abc.Sequence[" LEAF_INPUT
                   "]) -> list[" LEAF_FIELDS "]"),
           "leaf_score_frames: the fields of each score.")
      .def("submit", &Context::submit, "input"_a, "tag"_a = nb::none(),
           nb::sig("def submit(self, input: " LEAF_INPUT ", tag: object = None) -> int"),
           "leaf_submit: the ticket. The arrays are kept until poll gives the score, and `tag`\n"
           "comes back with it.")
      .def(
          "poll", &Context::poll, "timeout_ms"_a,
          nb::sig("def poll(self, timeout_ms: int) -> tuple[int, typing.Any, " LEAF_FIELDS
                  ", Exception | None] | None"),
          "leaf_poll: ticket, tag, fields, and the error of a frame that has no score; None where\n"
          "leaf_poll returns 0. Ctrl-C ends the wait.")
      .def("self_test", &Context::self_test, "leaf_self_test: the largest difference in MOS.")
      .def("info", &Context::info, nb::sig("def info(self) -> dict[str, typing.Any]"),
           "leaf_get_info, by field; engine is its name, engine_description the field engine.")
      .def("timings", &Context::timings,
           nb::sig("def timings(self) -> dict[str, tuple[int, int, int, int]]"),
           "leaf_get_timings: count, sum_ns, min_ns, max_ns of each stage.")
      .def("reset_timings", &Context::reset_timings, "leaf_reset_timings.")
      .def("close", &Context::close,
           "leaf_close, once no other call is on the context; calls from now on are refused.\n"
           "Frames in flight are dropped. Again: nothing.")
      .def_prop_ro("closed", &Context::closed, "Whether it is.")
      .def_prop_ro("in_flight", &Context::in_flight, "Frames submitted and not polled.");
}
