// Memory of a context: each allocation fails once, nothing leaks, and nothing is allocated while
// frames are scored, by the caller's allocator or behind its back.
//   context_memory_test [FRAMES]
#include <cerrno>

#include "context_tools.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LEAF_COUNTS_MALLOC 0  // the sanitizer's own malloc is in place
#elif defined(__GLIBC__)
#define LEAF_COUNTS_MALLOC 1
#else
#define LEAF_COUNTS_MALLOC 0
#endif

#ifndef LEAF_FRAMES
#define LEAF_FRAMES 100000
#endif

#if LEAF_COUNTS_MALLOC
namespace {
std::atomic<long> mallocs{0};
}

// In place of the C library's, of every thread; operator new comes here too.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t size) {
  ++mallocs;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  ++mallocs;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  ++mallocs;
  return __libc_realloc(memory, size);
}
void* memalign(size_t alignment, size_t size) {
  ++mallocs;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** memory, size_t alignment, size_t size) {
  *memory = memalign(alignment, size);
  return *memory ? 0 : ENOMEM;
}
void free(void* memory) { __libc_free(memory); }
}
#endif

namespace {

using namespace leaf_test;

long malloc_count() {
#if LEAF_COUNTS_MALLOC
  return mallocs;
#else
  return 0;
#endif
}

leaf_settings settings_with(CountingAllocator& allocator, int queue) {
  leaf_settings settings = default_settings();
  settings.batch = 3;
  settings.queue = queue;
  settings.self_test = 1;
  settings.allocator = allocator.callbacks();
  return settings;
}

void each_allocation_of_open_fails() {
  CountingAllocator allocator;
  const leaf_settings settings = settings_with(allocator, 4);
  long n = 0;
  for (;; ++n) {
    allocator.restart();
    allocator.fail_at = n;
    leaf_context* context = nullptr;
    const int error = open_level(&context, &settings);
    if (error == 0) {
      CHECK(allocator.live() > 0);
      leaf_close(context);
      CHECK(allocator.live() == 0);
      break;
    }
    CHECK(error == -ENOMEM && context == nullptr && says("out of memory"));
    CHECK(allocator.live() == 0);
    if (n > 10000) break;
  }
  CHECK(n > 10 && n < 10000);
  printf("open: %ld allocations, each failed once\n", n);
}

// `use` of an open context, which allocates for a new geometry: each allocation fails once, and the
// context works on.
template <class Use>
void each_allocation_fails(const char* what, int queue, int fewest, Use&& use) {
  CountingAllocator allocator;
  const leaf_settings settings = settings_with(allocator, queue);
  long n = 0;
  for (;; ++n) {
    leaf_context* context = nullptr;
    allocator.fail_at = -1;
    if (!CHECK(open_level(&context, &settings) == 0)) return;
    allocator.restart();
    allocator.fail_at = n;
    const int error = use(context);
    allocator.fail_at = -1;
    CHECK(error == 0 || error == -ENOMEM);
    if (error) CHECK(says("out of memory"));
    CHECK(use(context) == 0);
    leaf_close(context);
    CHECK(allocator.live() == 0);
    if (error == 0 || n > 10000) break;
  }
  CHECK(n >= fewest && n < 10000);
  printf("%s: %ld allocations, each failed once\n", what, n);
}

void each_allocation_of_use_fails() {
  const Grey one(300, 200, 50), two(111, 99, 60);
  const leaf_input inputs[3] = {one.input, two.input, one.input};
  each_allocation_fails("prepare", 0, 4,
                        [&](leaf_context* c) { return leaf_prepare(c, inputs, 3); });
  each_allocation_fails("first frames", 0, 4, [&](leaf_context* c) {
    leaf_score scores[3], before[3];
    memset(scores, 0x5a, sizeof scores);
    memcpy(before, scores, sizeof before);
    const int error = leaf_score_frames(c, inputs, 3, scores);
    if (error) {
      CHECK(memcmp(scores, before, sizeof before) == 0);
    } else {
      CHECK(is_of(scores[0], 50) && is_of(scores[1], 60) && is_of(scores[2], 50));
    }
    return error;
  });
  each_allocation_fails("self-test", 0, 2,
                        [&](leaf_context* c) { return leaf_self_test(c, nullptr); });
  // On the worker: the frame gets the error, once the batch and it alone have failed.
  each_allocation_fails("first frame in flight", 4, 2, [&](leaf_context* c) {
    CHECK(leaf_submit(c, &one.input, nullptr) == 0);
    leaf_score score;
    CHECK(leaf_poll(c, &score, -1) == 1);
    CHECK(score.error ? score.error == -ENOMEM : is_of(score, 50));
    return score.error;
  });
}

void prepared_frames_allocate_nothing() {
  CountingAllocator allocator;
  const leaf_settings settings = settings_with(allocator, 0);
  leaf_context* context = nullptr;
  if (!CHECK(open_level(&context, &settings) == 0)) return;
  const Grey one(300, 200, 50), two(111, 99, 60), three(20, 500, 70);
  leaf_input inputs[3] = {one.input, two.input, three.input};
  for (leaf_input& input : inputs) input.frame.plane[0] = nullptr;
  CHECK(leaf_prepare(context, inputs, 3) == 0);
  allocator.restart();
  const leaf_input orders[][3] = {{one.input, two.input, three.input},
                                  {three.input, one.input, two.input},
                                  {two.input, two.input, one.input}};
  for (const auto& order : orders) {
    leaf_score scores[3];
    CHECK(leaf_score_frames(context, order, 3, scores) == 0);
    for (int i = 0; i < 3; ++i) CHECK(is_of(scores[i], static_cast<int>(order[i].number)));
  }
  CHECK(leaf_self_test(context, nullptr) == 0);  // has tables of its own, which go again
  const long after_test = allocator.allocations();
  CHECK(after_test > 0);
  leaf_score scores[3];
  CHECK(leaf_score_frames(context, orders[0], 3, scores) == 0);
  CHECK(allocator.allocations() == after_test);
  leaf_close(context);
  CHECK(allocator.live() == 0);
}

void many_frames_allocate_nothing(long frames) {
  CountingAllocator allocator;
  leaf_settings settings = settings_with(allocator, 8);
  leaf_context* context = nullptr;
  if (!CHECK(open_level(&context, &settings) == 0)) return;
  const Grey one(64, 48, 50), two(33, 21, 60), three(48, 64, 70);
  const leaf_input inputs[3] = {one.input, two.input, three.input};
  CHECK(leaf_prepare(context, inputs, 3) == 0);
  allocator.restart();
  const size_t live = allocator.live();
  const long before = malloc_count();
  long scored = 0, wrong = 0;
  leaf_score scores[3];
  while (scored < frames) {
    if (scored % 10 < 6) {  // together
      if (leaf_score_frames(context, inputs, 3, scores)) break;
      for (int i = 0; i < 3; ++i) wrong += !is_of(scores[i], static_cast<int>(inputs[i].number));
    } else {  // in flight
      for (const leaf_input& input : inputs) wrong += leaf_submit(context, &input, nullptr) != 0;
      for (const leaf_input& input : inputs) {
        wrong += leaf_poll(context, scores, -1) != 1 ||
                 !is_of(scores[0], static_cast<int>(input.number));
      }
    }
    leaf_score unread;  // refusals allocate nothing either
    wrong += leaf_score_frames(context, inputs, 4, &unread) != -EINVAL;
    scored += 3;
  }
  const long after = malloc_count();
  CHECK(scored >= frames && wrong == 0);
  CHECK(allocator.allocations() == 0 && allocator.live() == live);
  CHECK(after == before);
  printf("%ld frames: %ld allocations by the allocator, %ld by malloc%s\n", scored,
         allocator.allocations(), after - before,
         LEAF_COUNTS_MALLOC ? "" : " (not counted in this build)");
  leaf_close(context);
  CHECK(allocator.live() == 0);
}

// The counter sees what it is to see.
void counter_counts() {
  const long before = malloc_count();
  leaf_views* views = nullptr;
  CHECK(leaf_views_open(&views, LEAF_ISA_AUTO) == 0);
  leaf_views_close(views);
  if (LEAF_COUNTS_MALLOC) CHECK(malloc_count() > before);
  // A context that brings no allocator takes operator new.
  const long first = malloc_count();
  leaf_context* context = nullptr;
  CHECK(open_level(&context, nullptr) == 0);
  leaf_close(context);
  if (LEAF_COUNTS_MALLOC) CHECK(malloc_count() > first);
}

// All that a context allocates itself comes from its allocator.
void nothing_behind_the_allocators_back() {
  class Arena {
   public:
    leaf_allocator callbacks() { return {&allocate, &release, this}; }

   private:
    static void* allocate(void* cookie, size_t size, size_t alignment) {
      auto& self = *static_cast<Arena*>(cookie);
      self.used_ = (self.used_ + alignment - 1) / alignment * alignment;
      void* memory = self.bytes_ + self.used_;
      self.used_ += size;
      return self.used_ <= sizeof self.bytes_ ? memory : nullptr;
    }
    static void release(void*, void*, size_t, size_t) {}
    alignas(64) unsigned char bytes_[4 << 20];
    size_t used_ = 0;
  };
  static Arena arena;
  leaf_settings settings = default_settings();
  settings.batch = 2;
  settings.allocator = arena.callbacks();
  leaf_context* context = nullptr;
  const Grey grey(64, 48, 50);
  leaf_score score;
  const long before = malloc_count();
  const int error = open_level(&context, &settings);
  const int prepared = leaf_prepare(context, &grey.input, 1);
  const int scored = leaf_score_frames(context, &grey.input, 1, &score);
  leaf_close(context);
  CHECK(malloc_count() == before);
  CHECK(error == 0 && prepared == 0 && scored == 0);
}

}  // namespace

int main(int argc, char** argv) {
  counter_counts();
  nothing_behind_the_allocators_back();
  each_allocation_of_open_fails();
  each_allocation_of_use_fails();
  prepared_frames_allocate_nothing();
  many_frames_allocate_nothing(argc > 1 ? atol(argv[1]) : LEAF_FRAMES);
  return finish("memory");
}
