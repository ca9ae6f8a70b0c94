// What the tests of bundles share: memory that is counted and can fail.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <new>

// Counts what is allocated and not yet given back; fails at allocation number `fail_at`, from 1.
class CountedMemory : public std::pmr::memory_resource {
 public:
  explicit CountedMemory(long fail_at = 0) : fail_at_(fail_at) {}

  long allocations() const { return allocations_; }
  size_t held() const { return held_; }
  size_t peak() const { return peak_; }

 private:
  void* do_allocate(size_t size, size_t alignment) override {
    if (++allocations_ == fail_at_) throw std::bad_alloc();
    void* const memory = std::pmr::new_delete_resource()->allocate(size, alignment);
    held_ += size;
    peak_ = held_ > peak_ ? held_ : peak_;
    return memory;
  }
  void do_deallocate(void* memory, size_t size, size_t alignment) override {
    held_ -= size;
    std::pmr::new_delete_resource()->deallocate(memory, size, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  long fail_at_, allocations_ = 0;
  size_t held_ = 0, peak_ = 0;
};
