#include "bundle/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <memory>

#include "bundle/io.h"
#include "bundle/limits.h"
#include "bundle/manifest.h"
#include "bundle/paths.h"
#include "error.h"

namespace leaf {
namespace {

constexpr int kSafe = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

// A handle on `name`, a plain path or ".", below the folder `root`; -1 with errno.
int open_below(int root, std::string_view name, int flags) {
  Handle here(-1);
  for (;;) {
    const size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    char text[256];
    if (part.size() >= sizeof text) {
      errno = ENAMETOOLONG;
      return -1;
    }
    std::copy(part.begin(), part.end(), text);
    text[part.size()] = '\0';
    const bool last = slash == std::string_view::npos;
    const int more = last ? flags : O_RDONLY | O_DIRECTORY;
    const int inner = openat(here.get() < 0 ? root : here.get(), text, more | kSafe);
    if (inner < 0 || last) return inner;
    here.reset(inner);
    name.remove_prefix(slash + 1);
  }
}

int unreadable(std::string_view name) {
  return fail(LEAF_E_BUNDLE_FILES, "%s: cannot be read (%s)", Shown(name).text, strerror(errno));
}

int check_size(std::string_view name, uint64_t found, uint64_t size, bool exact) {
  if (found == size || (!exact && found < size)) return 0;
  return fail(LEAF_E_BUNDLE_SIZE, "%s has %" PRIu64 " bytes; expected %s%" PRIu64 " bytes",
              Shown(name).text, found, exact ? "" : "at most ", size);
}

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

// What the walk has found.
struct Walk {
  Walk(int folder, const Bundle& listed)
      : root(folder), bundle(listed), seen(listed.files.size(), 0, listed.files.get_allocator()) {}

  std::pmr::memory_resource* memory() const { return bundle.files.get_allocator().resource(); }

  int root;
  const Bundle& bundle;
  std::pmr::vector<uint8_t> seen;  // of the listed files
  uint32_t files = 0;
  char extra[84] = "";  // a file that is not listed
};

bool is_listed_folder(const Bundle& bundle, std::string_view name) {
  return std::any_of(bundle.files.begin(), bundle.files.end(), [name](const FileEntry& file) {
    const std::string_view path = file.path;
    return path.size() > name.size() && path[name.size()] == '/' &&
           path.substr(0, name.size()) == name;
  });
}

// One entry of a folder, `name` by its path below the root.
int add_entry(Walk* walk, const struct stat* status, std::string_view name,
              std::pmr::vector<std::pmr::string>* pending) {
  const mode_t mode = status ? status->st_mode : 0;
  if (S_ISLNK(mode)) return fail(LEAF_E_BUNDLE_PATH, "'%s' is a link", Shown(name).text);
  if (S_ISDIR(mode) && is_listed_folder(walk->bundle, name)) {
    pending->emplace_back(name);
  } else if (name != kManifestName) {
    if (!S_ISREG(mode)) {
      return fail(LEAF_E_BUNDLE_FILES, "'%s' is not in the manifest's list", Shown(name).text);
    }
    const size_t at = find_file(walk->bundle, name);
    if (at < walk->seen.size()) {
      walk->seen[at] = 1;
    } else {
      memcpy(walk->extra, Shown(name).text, sizeof walk->extra);
    }
    if (++walk->files > kMaxFiles) {
      return fail(LEAF_E_BUNDLE_FILES, "more than %u files", kMaxFiles);
    }
  }
  return 0;
}

int add_folder(Walk* walk, std::string_view prefix, std::pmr::vector<std::pmr::string>* pending) {
  Handle handle(open_below(walk->root, prefix.empty() ? "." : prefix, O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, CloseFolder> folder(handle.get() < 0 ? nullptr
                                                                  : fdopendir(handle.get()));
  if (!folder) return unreadable(prefix);
  handle.release();  // the folder's now
  std::pmr::string name(walk->memory());
  for (;;) {
    errno = 0;
    const dirent* const entry = readdir(folder.get());
    if (!entry) return errno ? unreadable(prefix) : 0;
    const std::string_view inner = entry->d_name;
    if (inner == "." || inner == "..") continue;
    struct stat status;
    const bool known =
        fstatat(dirfd(folder.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0;
    name = prefix;
    if (!prefix.empty()) name += '/';
    name += inner;
    if (const int code = add_entry(walk, known ? &status : nullptr, name, pending)) return code;
  }
}

}  // namespace

int read_below(int root, std::string_view name, uint64_t size, bool exact,
               std::pmr::vector<uint8_t>* bytes) {
  const Handle file(open_below(root, name, O_RDONLY));
  if (file.get() < 0) {
    if (errno == ENOENT) return fail(LEAF_E_BUNDLE_FILES, "%s is missing", Shown(name).text);
    if (errno != ELOOP && errno != ENOTDIR) return unreadable(name);
    return fail(LEAF_E_BUNDLE_PATH, "%s is a link, or in a folder that is one", Shown(name).text);
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0) return unreadable(name);
  if (S_ISDIR(status.st_mode)) {
    return fail(LEAF_E_BUNDLE_FILES, "%s: cannot be read (it is a folder)", Shown(name).text);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(LEAF_E_BUNDLE_PATH, "%s is not a plain file", Shown(name).text);
  }
  const auto found = static_cast<uint64_t>(status.st_size);
  if (const int code = check_size(name, found, size, exact)) return code;
  bytes->resize(found);
  const int64_t got = read_up_to(file.get(), bytes->data(), found);
  uint8_t next;
  const int64_t more = got < 0 ? got : read_up_to(file.get(), &next, 1);
  if (more < 0) return unreadable(name);
  bytes->resize(static_cast<size_t>(got));
  // A file that grew or shrank meanwhile is not what was stated.
  if (exact || more > 0) return check_size(name, static_cast<uint64_t>(got + more), found, true);
  return 0;
}

int check_folder(int root, const Bundle& bundle) {
  Walk walk(root, bundle);
  std::pmr::vector<std::pmr::string> pending(walk.memory());
  pending.emplace_back();
  while (!pending.empty()) {
    const std::pmr::string prefix = std::move(pending.back());
    pending.pop_back();
    if (const int code = add_folder(&walk, prefix, &pending)) return code;
  }
  const auto missing = std::find(walk.seen.begin(), walk.seen.end(), 0);
  if (missing != walk.seen.end()) {
    const FileEntry& file = bundle.files[static_cast<size_t>(missing - walk.seen.begin())];
    return fail(LEAF_E_BUNDLE_FILES, "%s is missing", Shown(file.path).text);
  }
  if (walk.extra[0]) {
    return fail(LEAF_E_BUNDLE_FILES, "'%s' is not in the manifest's list", walk.extra);
  }
  return 0;
}

}  // namespace leaf
