// Where a context's memory comes from: the caller's callbacks, or operator new.
#pragma once

#include <memory_resource>

#include "leaf_edge/leaf.h"

namespace leaf {

// The caller's allocator as a memory resource, for std::pmr containers. Throws std::bad_alloc where
// the callback returns NULL; every public function turns that into -ENOMEM.
class Memory : public std::pmr::memory_resource {
 public:
  explicit Memory(const leaf_allocator& allocator) : allocator_(allocator) {}

 private:
  void* do_allocate(std::size_t size, std::size_t alignment) override;
  void do_deallocate(void* memory, std::size_t size, std::size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  leaf_allocator allocator_;
};

// Operator new, by a resource that lives as long as the process.
Memory* plain_memory();

// Destroys and releases what make() made.
template <class T>
struct Delete {
  std::pmr::memory_resource* memory = nullptr;
  std::size_t size = 0, alignment = 0;  // of the object that was made: T may be a base of it
  void operator()(T* object) const {
    object->~T();
    memory->deallocate(static_cast<void*>(object), size, alignment);
  }
};

}  // namespace leaf
