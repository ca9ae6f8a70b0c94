#include "api/tables.h"

#include <algorithm>
#include <cerrno>

#include "error.h"
#include "views_context.h"

namespace leaf {

Tables::Tables(int isa, std::size_t most, std::pmr::memory_resource* memory)
    : isa_(isa), most_(most), memory_(memory), entries_(memory) {
  entries_.reserve(most);
}

Tables::~Tables() {
  for (const Entry& entry : entries_) leaf_views_close(entry.views);
}

// The views with the tables of this geometry, else those to make them in; NULL without memory.
leaf_views* Tables::find(const leaf_frame& frame) {
  ++calls_;
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return views_match(*entry.views, frame);
  });
  if (same != entries_.end()) {
    same->used = calls_;
    return same->views;
  }
  if (entries_.size() < most_) {
    leaf_views* views = nullptr;
    if (open_views(&views, isa_, memory_)) return nullptr;
    entries_.push_back({views, calls_});
    return views;
  }
  const auto oldest =
      std::min_element(entries_.begin(), entries_.end(),
                       [](const Entry& one, const Entry& other) { return one.used < other.used; });
  oldest->used = calls_;
  return oldest->views;
}

int Tables::prepare(const leaf_frame& frame) {
  leaf_views* const views = find(frame);
  if (!views) return fail(-ENOMEM, "out of memory for the views");
  const int error = prepare_views(*views, frame);
  return error ? fail(error, "%s", leaf_views_message(views)) : 0;
}

int Tables::run(const leaf_frame& frame, uint8_t* out) {
  leaf_views* const views = find(frame);
  if (!views) return fail(-ENOMEM, "out of memory for the views");
  const int error = leaf_views_run(views, &frame, out);
  return error ? fail(error, "%s", leaf_views_message(views)) : 0;
}

}  // namespace leaf
