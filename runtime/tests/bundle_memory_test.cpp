// Bundles when memory runs out: at whichever allocation, std::bad_alloc comes out, all that was
// taken is given back, and nothing came from anywhere else.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <string>

#include "bundle/bundle.h"
#include "bundle_tools.h"
#include "error.h"

namespace {

int failures = 0;
bool watching = false;
long outside = 0;  // allocations while watching that the bundle's memory did not make

void check(bool passed, const char* what, int line) {
  if (passed) return;
  fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, line, what);
  ++failures;
}
#define CHECK(condition) check((condition), #condition, __LINE__)

// Takes from malloc, so that operator new is left to those who should not call it.
class FailingMemory : public std::pmr::memory_resource {
 public:
  explicit FailingMemory(long fail_at) : fail_at_(fail_at) {}
  long allocations() const { return allocations_; }
  long held() const { return held_; }

 private:
  void* do_allocate(size_t size, size_t) override {
    void* const memory = ++allocations_ == fail_at_ ? nullptr : malloc(size);
    if (!memory) throw std::bad_alloc();
    ++held_;
    return memory;
  }
  void do_deallocate(void* memory, size_t, size_t) override {
    --held_;
    free(memory);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  long fail_at_, allocations_ = 0, held_ = 0;
};

void* allocate(size_t size) {
  outside += watching ? 1 : 0;
  void* const memory = malloc(size ? size : 1);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(size_t size) { return allocate(size); }
void* operator new[](size_t size) { return allocate(size); }
void* operator new(size_t size, std::align_val_t) { return allocate(size); }
void operator delete(void* memory) noexcept { free(memory); }
void operator delete[](void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
void operator delete[](void* memory, size_t) noexcept { free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { free(memory); }

namespace {

template <class Open>
long run_out_everywhere(Open open) {
  long attempts = 0;
  for (long fail_at = 1;; ++fail_at, ++attempts) {
    FailingMemory memory(fail_at);
    bool failed = false;
    int code = 0;
    watching = true;
    try {
      leaf::Bundle bundle(&memory);
      code = open(&bundle);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    watching = false;
    CHECK(memory.held() == 0);
    CHECK(failed == (memory.allocations() >= fail_at));
    if (!failed) {
      CHECK(code == 0);
      return attempts;
    }
  }
}

// A tar of the folder's listed files and its manifest, each with a plain ustar header.
std::string make_tar(const std::string& folder) {
  CountedMemory memory;
  leaf::Bundle bundle(&memory);
  if (leaf::load_bundle(bundle, folder.c_str(), {})) return "";
  std::ifstream stream(folder + "/manifest.json", std::ios::binary);
  std::string tar, manifest(std::istreambuf_iterator<char>(stream), {});
  const auto add = [&tar](const std::string& name, const void* data, size_t size) {
    char header[512] = {};
    snprintf(header, 100, "tiny.leaf/%s", name.c_str());
    memcpy(header + 100, "0000644\0000000000\0000000000", 24);
    snprintf(header + 124, 12, "%011zo", size);
    memcpy(header + 136, "00000000000\000        0", 21);
    memcpy(header + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<uint8_t>(c);
    snprintf(header + 148, 8, "%06o", sum);
    tar.append(header, sizeof header).append(static_cast<const char*>(data), size);
    tar.append((512 - size % 512) % 512, '\0');
  };
  for (const leaf::FileEntry& file : bundle.files) {
    add(std::string(file.path), file.bytes.data(), file.bytes.size());
  }
  add("manifest.json", manifest.data(), manifest.size());
  return tar.append(1024, '\0');
}

}  // namespace

int main() {
  const std::string folder = std::string(LEAF_FIXTURES) + "/schema2.leaf";
  const long in_folder = run_out_everywhere(
      [&](leaf::Bundle* bundle) { return leaf::load_bundle(*bundle, folder.c_str(), {}); });

  std::string path = std::filesystem::temp_directory_path() / "leaf_bundle_XXXXXX";
  const int handle = mkstemp(path.data());
  const std::string tar = make_tar(folder);
  FILE* const file = handle < 0 ? nullptr : fdopen(handle, "wb");
  CHECK(file && !tar.empty() && fwrite(tar.data(), 1, tar.size(), file) == tar.size());
  CHECK(file && fclose(file) == 0);
  const long in_tar = run_out_everywhere(
      [&](leaf::Bundle* bundle) { return leaf::load_bundle(*bundle, path.c_str(), {}); });
  remove(path.c_str());

  // A manifest with escapes, which are unescaped into memory of their own.
  std::ifstream stream(folder + "/manifest.json", std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(stream), {});
  text.replace(text.find("\"network\""), 9, "\"\\u006eetwork\"");
  text.resize(text.find(",\n  \"signature\""));
  text += ", \"signature\": null}";
  const long in_text = run_out_everywhere(
      [&](leaf::Bundle* bundle) { return leaf::parse_manifest(*bundle, text, {}); });

  CHECK(in_folder > 20 && in_tar > 20 && in_text > 20);
  CHECK(outside == 0);
  printf(
      "memory ran out at each of %ld, %ld and %ld allocations; %ld from elsewhere; %d failures\n",
      in_folder, in_tar, in_text, outside, failures);
  return failures != 0;
}
