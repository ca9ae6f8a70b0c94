#include "memory.h"

#include <new>

namespace leaf {

void* Memory::do_allocate(std::size_t size, std::size_t alignment) {
  if (!allocator_.allocate) return ::operator new(size, std::align_val_t(alignment));
  void* memory = allocator_.allocate(allocator_.cookie, size, alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

void Memory::do_deallocate(void* memory, std::size_t size, std::size_t alignment) {
  if (!allocator_.allocate) {
    ::operator delete(memory, size, std::align_val_t(alignment));
  } else {
    allocator_.release(allocator_.cookie, memory, size, alignment);
  }
}

}  // namespace leaf
