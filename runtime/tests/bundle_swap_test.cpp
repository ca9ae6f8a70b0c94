// Folders that change while they are read: what is swapped between check and use is refused, a
// whole new bundle in the place of the old one is read. openat() here is a hook on the reader's own
// calls, __openat_2() where the C library checks them (_FORTIFY_SOURCE, which Ubuntu's compilers
// set).
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "bundle/bundle.h"
#include "bundle_tools.h"
#include "error.h"

namespace {

namespace fs = std::filesystem;

std::string hooked;  // name that is opened
int skip = 0;        // times that it is opened before
std::function<void()> swap_now;
int failures = 0;

void check(bool passed, const char* what, int line) {
  if (passed) return;
  fprintf(stderr, "%s:%d: failed: %s (%s)\n", __FILE__, line, what, leaf::last_message());
  ++failures;
}
#define CHECK(condition) check((condition), #condition, __LINE__)

using OpenAt = int (*)(int, const char*, int, ...);

OpenAt next_openat() {
  static const auto next = reinterpret_cast<OpenAt>(dlsym(RTLD_NEXT, "openat"));
  return next;
}

void before_open(const char* name) {
  if (!swap_now || hooked != name || skip-- != 0) return;
  const auto action = std::move(swap_now);
  swap_now = nullptr;
  action();
}

}  // namespace

extern "C" int openat(int folder, const char* name, int flags, ...) {
  before_open(name);
  va_list arguments;
  va_start(arguments, flags);
  const int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
  va_end(arguments);
  return next_openat()(folder, name, flags, mode);
}

extern "C" int __openat_2(int folder, const char* name, int flags) {
  before_open(name);
  return next_openat()(folder, name, flags);
}

namespace {

void write_file(const fs::path& path, const char* text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

class Trial {
 public:
  Trial() {
    std::string name = fs::temp_directory_path() / "leaf_swap_XXXXXX";
    root_ = mkdtemp(name.data()) ? name : "";
    CHECK(!root_.empty());
    fs::copy(fs::path(LEAF_FIXTURES) / "schema2.leaf", bundle(), fs::copy_options::recursive);
    fs::create_directories(root_ / "outside" / "golden");
    write_file(root_ / "outside" / "card.md", "# tiny\n");  // even the right bytes are not followed
    fs::copy(bundle() / "golden", root_ / "outside" / "golden", fs::copy_options::recursive);
  }
  ~Trial() { fs::remove_all(root_); }

  fs::path bundle() const { return root_ / "tiny.leaf"; }
  fs::path outside() const { return root_ / "outside"; }
  fs::path root() const { return root_; }

  // Loads; before `name` is opened once more than `times`, `action` is done.
  int load(const char* name, int times, std::function<void()> action) const {
    hooked = name;
    skip = times;
    swap_now = std::move(action);
    CountedMemory memory;
    int code;
    {
      leaf::Bundle loaded(&memory);
      code = leaf::load_bundle(loaded, bundle().c_str(), {});
      if (code == 0) CHECK(loaded.files.size() == 7 && loaded.file("card.md")->size() == 7);
    }
    CHECK(memory.held() == 0);
    CHECK(!swap_now);  // it was done
    swap_now = nullptr;
    return code;
  }

 private:
  fs::path root_;
};

void test_swaps_between_check_and_use() {
  const auto card = [](int code, void (*action)(const Trial&, const fs::path&)) {
    const Trial trial;
    const fs::path path = trial.bundle() / "card.md";
    CHECK(trial.load("card.md", 0, [&] {
      fs::remove(path);
      action(trial, path);
    }) == code);
  };
  card(LEAF_E_BUNDLE_PATH, [](const Trial& trial, const fs::path& path) {
    fs::create_symlink(trial.outside() / "card.md", path);
  });
  card(LEAF_E_BUNDLE_PATH,
       [](const Trial&, const fs::path& path) { CHECK(mkfifo(path.c_str(), 0600) == 0); });
  card(LEAF_E_BUNDLE_HASH,
       [](const Trial&, const fs::path& path) { write_file(path, "# mine\n"); });
  card(LEAF_E_BUNDLE_SIZE,
       [](const Trial&, const fs::path& path) { write_file(path, "# mine and longer\n"); });
  card(LEAF_E_BUNDLE_SIZE, [](const Trial&, const fs::path& path) { write_file(path, "#"); });
  card(LEAF_E_BUNDLE_FILES, [](const Trial&, const fs::path& path) { fs::create_directory(path); });
  card(LEAF_E_BUNDLE_FILES, [](const Trial&, const fs::path&) {});
  for (const int walked : {0, 1}) {  // before the walk goes into it, and before its files are read
    const Trial trial;
    CHECK(trial.load("golden", walked, [&] {
      fs::remove_all(trial.bundle() / "golden");
      fs::create_directory_symlink(trial.outside() / "golden", trial.bundle() / "golden");
    }) == (walked ? LEAF_E_BUNDLE_PATH : LEAF_E_BUNDLE_FILES));
  }
}

void test_a_new_bundle_in_place_of_the_old_one() {
  const Trial trial;
  const auto replace = [&] {
    fs::rename(trial.bundle(), trial.root() / "old");
    fs::copy(fs::path(LEAF_FIXTURES) / "schema2.leaf", trial.bundle(), fs::copy_options::recursive);
    fs::remove_all(trial.root() / "old");
  };
  for (const char* name : {"manifest.json", "golden", "card.md", "model.trt.onnx"}) {
    CHECK(trial.load(name, 0, replace) == 0);
  }
  // Gone for good.
  CHECK(trial.load("card.md", 0, [&] { fs::remove_all(trial.bundle()); }) == LEAF_E_BUNDLE_FILES);
}

}  // namespace

int main() {
  test_swaps_between_check_and_use();
  test_a_new_bundle_in_place_of_the_old_one();
  printf("%d failures\n", failures);
  return failures != 0;
}
