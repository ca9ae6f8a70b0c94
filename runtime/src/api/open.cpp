// Opening and closing a context.
#include <algorithm>
#include <cerrno>
#include <memory>

#include "api/context.h"
#include "api/guard.h"
#include "api/settings.h"
#include "error.h"
#include "logger.h"
#include "views_context.h"

namespace leaf {
namespace {

constexpr std::size_t kViewsAlignment = 64;

std::size_t views_bytes(const leaf_settings& settings) {
  return static_cast<std::size_t>(settings.batch) * LEAF_VIEWS_BYTES;
}

void destroy(leaf_context* context) {
  Memory memory = context->memory;  // outlives the context, which holds its own
  context->~leaf_context();
  memory.deallocate(context, sizeof(leaf_context), alignof(leaf_context));
}

struct Destroy {
  void operator()(leaf_context* context) const { destroy(context); }
};

using ContextPtr = std::unique_ptr<leaf_context, Destroy>;

ContextPtr make_context(const leaf_settings& settings) {
  Memory memory(settings.allocator);
  void* const room = memory.allocate(sizeof(leaf_context), alignof(leaf_context));
  return ContextPtr(new (room) leaf_context(settings));
}

void copy_text(char (&to)[LEAF_TEXT_SIZE], std::string_view from) {
  const std::size_t length = std::min(from.size(), sizeof to - 1);
  std::copy_n(from.data(), length, to);
  to[length] = '\0';
}

void describe(leaf_context& context) {
  const Bundle& bundle = context.bundle;
  const Engine& engine = *context.engine;
  leaf_info& info = context.info;
  copy_text(info.model, bundle.name);
  copy_text(info.version, bundle.version);
  copy_text(info.scale, bundle.scale);
  copy_text(info.encoding, engine.trt_encoding() ? "trt" : "cpu");
  copy_text(info.engine, engine.description());
  copy_text(info.key_id, bundle.key_id);
  info.schema = bundle.schema;
  info.scale_version = bundle.scale_version;
  info.engine_code = engine.code();
  info.isa = engine.takes_frames() ? LEAF_ISA_AUTO : resolve_isa(context.settings.isa);
  info.golden = static_cast<int32_t>(bundle.golden.size());
  info.not_accepted = bundle.not_accepted;
  info.coverage = encoding_of(context).calibration.coverage;
  info.reason_threshold = bundle.reason_threshold;
}

// The networks are the engine's now: only the golden frames are needed on.
void drop_networks(Bundle& bundle, std::pmr::memory_resource* memory) {
  for (FileEntry& file : bundle.files) {
    const auto is_it = [&](const GoldenEntry& golden) { return golden.file == file.path; };
    if (std::any_of(bundle.golden.begin(), bundle.golden.end(), is_it)) continue;
    std::pmr::vector<uint8_t>(memory).swap(file.bytes);
  }
}

}  // namespace

int open_context(leaf_context** context, const char* path, const leaf_settings* settings,
                 const Source& source) {
  leaf_settings checked;
  if (const int error = take_settings(settings, &checked)) return error;
  ContextPtr made = make_context(checked);
  leaf_context& c = *made;
  const KeyPolicy keys = {c.settings.key, c.settings.keys, c.settings.require_signature};
  if (const int error = source.load(c.bundle, path, keys)) return error;
  if (const int error = source.open(&c.engine, {&c.bundle, &c.settings, &c.memory})) return error;
  if (!c.engine->takes_frames()) {
    const int geometries = std::max(c.settings.batch, LEAF_KEPT_GEOMETRIES);
    c.tables.emplace(c.settings.isa, static_cast<std::size_t>(geometries), &c.memory);
    c.views = static_cast<uint8_t*>(c.memory.allocate(views_bytes(c.settings), kViewsAlignment));
  }
  describe(c);
  drop_networks(c.bundle, &c.memory);
  // The caller's, and read during opening only.
  c.settings.key = nullptr;
  c.settings.onnxruntime = c.settings.tensorrt = nullptr;

  const leaf_logger& logger = c.settings.logger;
  if (c.info.not_accepted) {
    log(logger, LEAF_LOG_WARNING, "%s failed its acceptance and was written all the same", path);
  }
  if (c.settings.self_test) {
    if (const int error = self_test(c, nullptr)) return error;
  }
  if (c.settings.queue) {
    c.queue.emplace(c, c.settings.queue, c.settings.batch, &c.memory);
    if (const int error = c.queue->start()) return error;
  }
  log(logger, LEAF_LOG_INFO, "%s %s on %s, batch %d, queue %d", c.info.model, c.info.version,
      c.info.engine, c.settings.batch, c.settings.queue);
  *context = made.release();
  return 0;
}

}  // namespace leaf

leaf_context::leaf_context(const leaf_settings& checked)
    : memory(checked.allocator), settings(checked), bundle(&memory) {}

leaf_context::~leaf_context() {
  queue.reset();  // its worker uses the rest
  if (views) memory.deallocate(views, leaf::views_bytes(settings), leaf::kViewsAlignment);
}

int leaf_open(leaf_context** context, const char* path, const leaf_settings* settings) {
  if (!context) return leaf::fail(-EINVAL, "context is NULL");
  *context = nullptr;
  if (!path) return leaf::fail(-EINVAL, "path is NULL; expected that of a bundle");
  return leaf::guard([&] {
    return leaf::open_context(context, path, settings, {leaf::load_bundle, leaf::open_engine});
  });
}

void leaf_close(leaf_context* context) {
  if (context) leaf::destroy(context);
}
