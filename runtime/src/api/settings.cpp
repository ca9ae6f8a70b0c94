#include "api/settings.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "error.h"
#include "views_context.h"

namespace leaf {
namespace {

// The largest struct that a later version may bring along; more is no size.
constexpr uint32_t kMostSettings = 4096;

template <class Word, size_t N>
bool all_zero(const Word (&words)[N]) {
  return std::all_of(words, words + N, [](Word word) { return word == 0; });
}

int check_range(const char* name, int32_t value, int32_t lowest, int32_t highest) {
  if (value >= lowest && value <= highest) return 0;
  return fail(-EINVAL, "settings.%s is %d; expected %d to %d", name, value, lowest, highest);
}

int check_engines(const int32_t (&engines)[LEAF_MAX_ENGINES]) {
  if (engines[0] == LEAF_ENGINE_NONE) {
    return fail(-EINVAL, "settings.engines is empty; expected one engine or more");
  }
  bool ended = false;
  for (int i = 0; i < LEAF_MAX_ENGINES; ++i) {
    const int32_t code = engines[i];
    if (code < 0 || code >= LEAF_ENGINES) {
      return fail(-EINVAL, "settings.engines[%d] is %d; expected 0 to %d (enum leaf_engine)", i,
                  code, LEAF_ENGINES - 1);
    }
    if (ended && code != LEAF_ENGINE_NONE) {
      return fail(-EINVAL, "settings.engines[%d] is %d, after the end of the list", i, code);
    }
    ended = code == LEAF_ENGINE_NONE;
    if (!ended && std::find(engines, engines + i, code) != engines + i) {
      return fail(-EINVAL, "settings.engines names engine %s twice", leaf_engine_name(code));
    }
  }
  return 0;
}

int check_keys(const leaf_settings& s) {
  if (const int error = check_range("keys", s.keys, 0, LEAF_MAX_KEYS)) return error;
  if (const int error = check_range("require_signature", s.require_signature, -1, 1)) return error;
  if (s.keys && !s.key) {
    return fail(-EINVAL, "settings.keys is %d, but settings.key is NULL", s.keys);
  }
  if (!s.keys && s.key) {
    return fail(-EINVAL, "settings.key is given, but settings.keys is 0: nothing would be checked");
  }
  if (s.require_signature == 1 && !s.keys) {
    return fail(-EINVAL,
                "settings.require_signature is 1 without a key; a signature can be required only "
                "with the public key that it must be from");
  }
  return 0;
}

int check_settings(const leaf_settings& s) {
  if (const int error = check_engines(s.engines)) return error;
  if (const int error = check_range("threads", s.threads, 1, LEAF_MAX_THREADS)) return error;
  if (const int error = check_range("batch", s.batch, 1, LEAF_MAX_BATCH)) return error;
  if (const int error = check_range("queue", s.queue, 0, LEAF_MAX_QUEUE)) return error;
  if (const int error = check_range("isa", s.isa, 0, LEAF_ISAS - 1)) return error;
  if (const int error = check_range("device", s.device, 0, 1023)) return error;
  if (const int error = check_range("self_test", s.self_test, 0, 1)) return error;
  if (const int error = check_keys(s)) return error;
  if (s.isa != LEAF_ISA_AUTO && !leaf_isa_available(s.isa)) {
    return fail(-ENOTSUP, "settings.isa is %s, which this machine or build lacks",
                leaf_isa_name(s.isa));
  }
  if (!s.allocator.allocate != !s.allocator.release) {
    return fail(-EINVAL, "settings.allocator has one of its two functions; expected both or none");
  }
  if (!all_zero(s.reserved)) {
    return fail(-EINVAL, "settings.reserved is not 0; start from leaf_default_settings");
  }
  return 0;
}

}  // namespace

int take_settings(const leaf_settings* from, leaf_settings* settings) {
  leaf_default_settings(settings);
  if (!from) return 0;
  const uint32_t size = from->size, own = settings->size;
  if (size < 2 * sizeof(uint32_t) || size > kMostSettings || size % alignof(leaf_settings)) {
    return fail(-EINVAL, "settings.size is %u; expected %u: start from leaf_default_settings", size,
                own);
  }
  // A program of an earlier version knows less: the rest keeps its defaults. One of a later version
  // knows more, which is nothing to this library as long as it is not used.
  memcpy(settings, from, std::min(size, own));
  settings->size = own;
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  for (uint32_t i = own; i < size; ++i) {
    if (bytes[i]) {
      return fail(-EINVAL,
                  "settings of %u bytes, set beyond the %u that library %s knows; update the "
                  "library",
                  size, own, leaf_version());
    }
  }
  return check_settings(*settings);
}

int check_input(const leaf_input& input, int index, bool planes, int engine, bool takes_frames) {
  if (!all_zero(input.reserved)) {
    return fail(-EINVAL, "input %d: reserved is not 0; start from leaf_default_input", index);
  }
  if (input.memory < 0 || input.memory >= LEAF_MEMORIES) {
    return fail(-EINVAL, "input %d: memory is %d; expected 0 to %d (enum leaf_memory)", index,
                input.memory, LEAF_MEMORIES - 1);
  }
  if (input.memory != LEAF_MEMORY_HOST && !takes_frames) {
    return fail(
        -ENOTSUP,
        "input %d is in CUDA memory, which engine %s does not read; copy it to host memory, "
        "or open with LEAF_ENGINE_TENSORRT",
        index, leaf_engine_name(engine));
  }
  char reason[256];
  if (const int error = check_frame(input.frame, planes, reason, sizeof reason)) {
    return fail(error, "input %d: %s", index, reason);
  }
  return 0;
}

}  // namespace leaf

void leaf_default_settings(leaf_settings* settings) {
  if (!settings) return;
  memset(settings, 0, sizeof *settings);
  settings->size = sizeof *settings;
  settings->engines[0] = LEAF_ENGINE_CPU;
  settings->threads = 1;
  settings->batch = 1;
}

void leaf_default_input(leaf_input* input) {
  if (!input) return;
  memset(input, 0, sizeof *input);
  // What a frame's samples mean is not guessed: both are refused as they are.
  input->frame.format = -1;
  input->frame.range = -1;
  input->frame.matrix = LEAF_NO_MATRIX;
  input->capture_ns = LEAF_NO_TIME;
}
