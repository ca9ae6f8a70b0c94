#include "memory.h"

#include <new>

namespace leaf {

void* Memory::do_allocate(std::size_t size, std::size_t alignment) {
  if (!allocator_.allocate) {
    if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return ::operator new(size);
    return ::operator new(size, std::align_val_t(alignment));
  }
  void* memory = allocator_.allocate(allocator_.cookie, size, alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

void Memory::do_deallocate(void* memory, std::size_t size, std::size_t alignment) {
  if (allocator_.allocate) {
    allocator_.release(allocator_.cookie, memory, size, alignment);
  } else if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
    ::operator delete(memory, size);
  } else {
    ::operator delete(memory, size, std::align_val_t(alignment));
  }
}

Memory* plain_memory() {
  // Never destroyed: what was allocated from it may be released by destructors of other statics.
  alignas(Memory) static unsigned char storage[sizeof(Memory)];
  static Memory* const memory = new (storage) Memory(leaf_allocator{});
  return memory;
}

}  // namespace leaf
