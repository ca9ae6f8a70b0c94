// What is behind a leaf_context.
#pragma once

#include <memory_resource>
#include <optional>
#include <vector>

#include "api/queue.h"
#include "api/tables.h"
#include "api/timings.h"
#include "bundle/bundle.h"
#include "engine.h"
#include "leaf_edge/leaf.h"
#include "memory.h"

struct leaf_context {
  explicit leaf_context(const leaf_settings& checked);
  ~leaf_context();

  leaf::Memory memory;  // before all that is allocated from it
  leaf_settings settings;
  leaf::Bundle bundle;  // without the networks' bytes once the engine is open
  leaf::EnginePtr engine;
  leaf_info info = {};
  leaf::Timings timings;

  // Where the engine takes views: the tables, and room for a batch of views.
  std::optional<leaf::Tables> tables;
  uint8_t* views = nullptr;

  std::optional<leaf::Queue> queue;  // last: its worker uses the rest
};

namespace leaf {

// Where a context gets its bundle and its engine from. leaf_open takes load_bundle and open_engine;
// tests bring an engine of their own.
struct Source {
  int (*load)(Bundle& bundle, const char* path, const KeyPolicy& keys);
  int (*open)(EnginePtr* engine, const EngineRequest& request);
};

// As leaf_open. Throws what allocation throws; `context` is written on success only.
int open_context(leaf_context** context, const char* path, const leaf_settings* settings,
                 const Source& source);

// Scores one batch of checked inputs, by the tables given, on the thread that has the context's
// engine. 0, or a code with its message kept and `scores` untouched. Never throws.
int score_batch(leaf_context& context, Tables* tables, const leaf_input* inputs, int count,
                leaf_score* scores);

// The same by the context's own tables.
int score_batch(leaf_context& context, const leaf_input* inputs, int count, leaf_score* scores);

// Of the encoding that the engine runs.
const EncodingEntry& encoding_of(const leaf_context& context);

// Clears a score but for what it takes from the input.
void label_score(const leaf_input& input, leaf_score* score);

// As leaf_self_test.
int self_test(leaf_context& context, double* worst);

}  // namespace leaf
