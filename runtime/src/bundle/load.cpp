// Reading a bundle, a folder or a tar, and checking it in full before any of it is used. Every file
// is read once: the bytes that were hashed are the bytes that are used.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "bundle/bundle.h"
#include "bundle/folder.h"
#include "bundle/io.h"
#include "bundle/limits.h"
#include "bundle/manifest.h"
#include "bundle/paths.h"
#include "bundle/sha256.h"
#include "bundle/tar.h"
#include "error.h"

namespace leaf {
namespace {

constexpr int kAttempts = 3;

std::string_view as_text(const std::pmr::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

int check_hashes(const Bundle& bundle) {
  for (const FileEntry& file : bundle.files) {
    uint8_t hash[32];
    sha256(file.bytes.data(), file.bytes.size(), hash);
    if (memcmp(hash, file.sha256, sizeof hash) == 0) continue;
    char found[17], stated[17];
    to_hex(hash, 8, found);
    to_hex(file.sha256, 8, stated);
    const std::string_view folder = std::string_view(file.path).substr(0, kEnginesFolder.size());
    return fail(folder == kEnginesFolder ? LEAF_E_ENGINE_HASH : LEAF_E_BUNDLE_HASH,
                "%s: SHA-256 is %s...; the manifest states %s...", Shown(file.path).text, found,
                stated);
  }
  return 0;
}

int load_opened(Bundle* bundle, int root, const KeyPolicy& keys) {
  std::pmr::vector<uint8_t> text(bundle->files.get_allocator());
  if (const int code = read_below(root, kManifestName, kMaxManifestBytes, false, &text)) {
    return code;
  }
  if (const int code = parse_manifest(*bundle, as_text(text), keys)) return code;
  if (const int code = check_folder(root, *bundle)) return code;
  for (FileEntry& file : bundle->files) {
    if (const int code = read_below(root, file.path, file.size, true, &file.bytes)) return code;
  }
  return check_hashes(*bundle);
}

int load_folder(Bundle* bundle, const char* path, const KeyPolicy& keys) {
  for (int attempt = 1;; ++attempt) {
    const Handle root(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (root.get() < 0) return fail(LEAF_E_BUNDLE_FILES, "cannot be read (%s)", strerror(errno));
    Bundle fresh(bundle->files.get_allocator().resource());
    const int code = load_opened(&fresh, root.get(), keys);
    if (code == 0) *bundle = std::move(fresh);
    if (code != LEAF_E_BUNDLE_FILES || attempt == kAttempts) return code;
    // Another process may have put a new bundle in this one's place and be removing the old files.
    struct stat opened, now;
    if (fstat(root.get(), &opened) != 0 || stat(path, &now) != 0 ||
        (opened.st_dev == now.st_dev && opened.st_ino == now.st_ino)) {
      return code;
    }
  }
}

int load_tar(Bundle* bundle, const char* path, const KeyPolicy& keys) {
  std::pmr::vector<FileEntry> found(bundle->files.get_allocator());
  if (const int code = read_tar(path, &found)) return code;
  const auto find = [&found](std::string_view name) {
    return std::find_if(found.begin(), found.end(),
                        [name](const FileEntry& file) { return file.path == name; });
  };
  const auto manifest = find(kManifestName);
  if (manifest == found.end()) {
    return fail(LEAF_E_BUNDLE_FILES, "%s is missing", kManifestName.data());
  }
  if (const int code = parse_manifest(*bundle, as_text(manifest->bytes), keys)) return code;
  for (const FileEntry& file : bundle->files) {
    if (find(file.path) != found.end()) continue;
    return fail(LEAF_E_BUNDLE_FILES, "%s is missing", Shown(file.path).text);
  }
  for (const FileEntry& file : found) {
    if (file.path == kManifestName || find_file(*bundle, file.path) < bundle->files.size())
      continue;
    return fail(LEAF_E_BUNDLE_FILES, "'%s' is not in the manifest's list", Shown(file.path).text);
  }
  for (FileEntry& file : bundle->files) {
    file.bytes = std::move(find(file.path)->bytes);
    if (file.bytes.size() == file.size) continue;
    return fail(LEAF_E_BUNDLE_SIZE, "%s has %zu bytes; expected %" PRIu64 " bytes",
                Shown(file.path).text, file.bytes.size(), file.size);
  }
  return check_hashes(*bundle);
}

}  // namespace

int load_bundle(Bundle& bundle, const char* path, const KeyPolicy& keys) {
  struct stat status;
  int code = 0;
  if (keys.require_signature > 0 && keys.keys == 0) {
    return fail(-EINVAL, "a signature can be required only with the public key that it is from");
  }
  if (stat(path, &status) != 0) {
    code = fail(LEAF_E_BUNDLE_NOT_FOUND, "%s", strerror(errno));
  } else if (S_ISDIR(status.st_mode)) {
    code = load_folder(&bundle, path, keys);
  } else if (S_ISREG(status.st_mode)) {
    code = load_tar(&bundle, path, keys);
  } else {
    code = fail(LEAF_E_BUNDLE_NOT_FOUND, "neither a folder nor a file");
  }
  if (code == 0) return 0;
  char why[700];
  snprintf(why, sizeof why, "%s", last_message());
  return fail(code, "%.300s: %s", path, why);
}

}  // namespace leaf
