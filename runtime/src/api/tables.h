// Views on the CPU for frames of several geometries.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <vector>

#include "leaf_edge/leaf.h"

namespace leaf {

// Keeps one leaf_views for each of the last `most` geometries, opened when it is needed. Cameras of
// different geometry may so come in any order, in any place of a batch. Serves one thread at a
// time.
class Tables {
 public:
  Tables(int isa, std::size_t most, std::pmr::memory_resource* memory);
  ~Tables();
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  // Tables for a checked frame, whose planes are not looked at. 0, or -ENOMEM with its message
  // kept.
  int prepare(const leaf_frame& frame);

  // As leaf_views_run, with the message kept.
  int run(const leaf_frame& frame, uint8_t* out);

 private:
  struct Entry {
    leaf_views* views;
    uint64_t used;  // when, in calls
  };

  leaf_views* find(const leaf_frame& frame);

  int isa_;
  std::size_t most_;
  uint64_t calls_ = 0;
  std::pmr::memory_resource* memory_;
  std::pmr::vector<Entry> entries_;
};

}  // namespace leaf
