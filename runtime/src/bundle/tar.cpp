#include "bundle/tar.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cinttypes>
#include <cstring>

#include "bundle/io.h"
#include "bundle/limits.h"
#include "bundle/paths.h"
#include "error.h"

namespace leaf {
namespace {

constexpr size_t kBlock = 512;
// Headers, padding and end blocks that a tar may add to its files, in bytes; generous.
constexpr uint64_t kOverhead = 4096 * (kMaxFiles + 16);
constexpr uint32_t kMaxHeaders = 4 * kMaxFiles;
constexpr uint64_t kMaxExtended = 1U << 14;
constexpr std::string_view kPosix(
    "ustar\0"
    "00",
    8),
    kGnu("ustar  \0", 8);

// Beginnings of pax keywords that do not change which bytes a file has, nor its name.
constexpr std::string_view kHarmless[] = {"atime", "ctime", "mtime",   "uid",     "gid",
                                          "uname", "gname", "comment", "SCHILY.", "LIBARCHIVE."};

int refuse(const char* why) {
  return fail(LEAF_E_BUNDLE_ARCHIVE, "not a plain tar of a bundle (%s)", why);
}

// `text` without spaces and zeros at its end, or with `both` at its ends.
std::string_view trim(std::string_view text, std::string_view what, bool both) {
  while (!text.empty() && what.find(text.back()) != what.npos) text.remove_suffix(1);
  while (both && !text.empty() && what.find(text.front()) != what.npos) text.remove_prefix(1);
  return text;
}

constexpr std::string_view kZero("\0", 1), kZeroSpace("\0 ", 2);

int read_octal(std::string_view field, uint64_t* out) {
  const std::string_view digits = trim(field, kZeroSpace, true);
  *out = 0;
  for (const char c : digits) {
    if (c < '0' || c > '7') return refuse("a header's number is not octal");
    *out = *out << 3 | static_cast<uint64_t>(c - '0');
  }
  return digits.empty() ? refuse("a header's number is not octal") : 0;
}

int read_name(std::string_view field, std::string_view* out) {
  *out = field.substr(0, field.find('\0'));
  if (trim(field.substr(out->size()), kZero, false).empty()) return 0;
  return fail(LEAF_E_BUNDLE_PATH, "a name goes on after its end: '%s'", Shown(field).text);
}

// The name in a pax header, records of `LENGTH KEYWORD=VALUE\n`. Refuses what changes anything
// else.
int read_pax(std::string_view data, bool* named, std::pmr::string* name) {
  constexpr const char* kDamaged = "a pax header is damaged";
  *named = false;
  while (!data.empty()) {
    const size_t space = data.find(' ');
    if (space == data.npos || space == 0 || space > 5) return refuse(kDamaged);
    size_t length = 0;
    for (const char c : data.substr(0, space)) {
      if (c < '0' || c > '9') return refuse(kDamaged);
      length = 10 * length + static_cast<size_t>(c - '0');
    }
    if (length > data.size() || length <= space) return refuse(kDamaged);
    const std::string_view record = data.substr(space + 1, length - space - 1);
    data.remove_prefix(length);
    const size_t equals = record.find('=');
    if (equals == record.npos || record.back() != '\n') return refuse(kDamaged);
    const std::string_view keyword = record.substr(0, equals);
    const std::string_view value = record.substr(equals + 1, record.size() - equals - 2);
    const bool harmless = std::any_of(
        std::begin(kHarmless), std::end(kHarmless),
        [&](std::string_view begin) { return keyword.substr(0, begin.size()) == begin; });
    if (keyword == "path" && !*named) {
      *named = true;
      *name = value;
    } else if (!harmless) {
      return refuse("a pax header sets what no bundle needs");
    }
  }
  return 0;
}

class TarReader {
 public:
  TarReader(int handle, uint64_t size, std::pmr::vector<FileEntry>* files)
      : handle_(handle),
        left_(size),
        files_(files),
        root_(memory()),
        name_(memory()),
        long_name_(memory()) {}

  int run() {
    for (uint32_t i = 0; i < kMaxHeaders; ++i) {
      if (const int code = exactly(header_, kBlock)) return code;
      if (std::all_of(header_, header_ + kBlock, [](uint8_t byte) { return byte == 0; })) {
        return check_end();
      }
      if (const int code = member()) return code;
    }
    return refuse("too many entries");
  }

 private:
  std::pmr::memory_resource* memory() const { return files_->get_allocator().resource(); }

  std::string_view field(size_t at, size_t size) const {
    return {reinterpret_cast<const char*>(header_) + at, size};
  }

  int exactly(uint8_t* to, uint64_t size) {
    const int64_t got = read_up_to(handle_, to, size);
    if (got < 0) return fail(LEAF_E_BUNDLE_FILES, "cannot be read (%s)", strerror(errno));
    left_ -= std::min(left_, static_cast<uint64_t>(got));
    return static_cast<uint64_t>(got) == size ? 0 : refuse("the archive is cut off");
  }

  // The data of a member; the padding after it is passed over.
  int data(uint64_t size, std::pmr::vector<uint8_t>* bytes) {
    if (size > left_) return refuse("the archive is cut off");
    bytes->resize(size);
    if (const int code = exactly(bytes->data(), size)) return code;
    uint8_t padding[kBlock];
    return exactly(padding, (kBlock - size % kBlock) % kBlock);
  }

  int check_end() {
    uint8_t rest[4096];
    for (;;) {
      const int64_t got = read_up_to(handle_, rest, sizeof rest);
      if (got < 0) return fail(LEAF_E_BUNDLE_FILES, "cannot be read (%s)", strerror(errno));
      if (std::any_of(rest, rest + got, [](uint8_t byte) { return byte != 0; })) {
        return refuse("there is more after the archive's end");
      }
      if (got < static_cast<int64_t>(sizeof rest)) return 0;
    }
  }

  // Size and name of a member from its header.
  int header(uint64_t* size) {
    const bool posix = field(257, 8) == kPosix;
    if (!posix && field(257, 8) != kGnu) {
      return refuse("no tar header where one is due; a bundle's tar is not compressed");
    }
    uint64_t stated = 0, sum = 8 * ' ';
    if (const int code = read_octal(field(148, 8), &stated)) return code;
    for (size_t i = 0; i < kBlock; ++i) sum += i >= 148 && i < 156 ? 0 : header_[i];
    if (sum != stated) return refuse("a header's checksum is wrong");
    if (header_[124] & 0x80) {
      return fail(LEAF_E_BUNDLE_SIZE, "a file's stated size is negative or beyond all bounds");
    }
    std::string_view name, prefix;
    if (const int code = read_name(field(0, 100), &name)) return code;
    if (posix) {
      if (const int code = read_name(field(345, 155), &prefix)) return code;
    }
    name_ = prefix;
    if (!prefix.empty()) name_ += '/';
    name_ += name;
    return read_octal(field(124, 12), size);
  }

  int member() {
    uint64_t size = 0;
    if (const int code = header(&size)) return code;
    const char kind = field(156, 1)[0];
    if (kind == 'L' || kind == 'x' || kind == 'g') return extended(kind, size);
    if (named_ && !long_name_.empty()) name_ = long_name_;
    named_ = false;
    const bool is_file = kind == '0' || kind == '\0';
    if (!is_file && kind != '5') {
      return fail(LEAF_E_BUNDLE_PATH, "'%s' is neither a plain file nor a folder",
                  Shown(name_).text);
    }
    std::string_view text = name_;
    if (text.substr(0, 2) == "./") text.remove_prefix(2);
    if (!is_file && !text.empty() && text.back() == '/') text.remove_suffix(1);
    const size_t slash = std::min(text.find('/'), text.size());
    const std::string_view folder = text.substr(0, slash);
    const std::string_view inner = text.substr(std::min(slash + 1, text.size()));
    if (!is_file && (folder.empty() || folder == ".") && inner.empty()) return 0;
    if (!is_plain_path(folder)) return unsafe(folder);
    if (root_.empty()) root_ = folder;
    if (folder != root_ || (is_file && inner.empty())) {
      return fail(
          LEAF_E_BUNDLE_ARCHIVE,
          "not a plain tar of a bundle (expected one folder NAME.leaf; found '%s' and '%s')",
          Shown(root_).text, Shown(text).text);
    }
    if (!inner.empty() && !is_plain_path(inner)) return unsafe(inner);
    const uint64_t limit = !is_file                 ? 0
                           : inner == kManifestName ? kMaxManifestBytes
                                                    : kMaxFileBytes;
    if (size > limit) {
      return fail(LEAF_E_BUNDLE_SIZE, "%s: %" PRIu64 " bytes are stated; %" PRIu64 " are allowed",
                  Shown(text).text, size, limit);
    }
    return is_file ? file(inner, size) : 0;
  }

  int file(std::string_view name, uint64_t size) {
    if (std::any_of(files_->begin(), files_->end(),
                    [name](const FileEntry& entry) { return entry.path == name; })) {
      return refuse("a file is in the archive twice");
    }
    FileEntry& entry = files_->emplace_back(memory());
    entry.path = name;
    if (const int code = data(size, &entry.bytes)) return code;
    return files_->size() > kMaxFiles + 1 ? refuse("more than 256 files and the manifest") : 0;
  }

  // A long name, or pax records, for the member that follows or for all.
  int extended(char kind, uint64_t size) {
    if (named_ || size > kMaxExtended) {
      return refuse("an extended header that is too long, or two for one file");
    }
    std::pmr::vector<uint8_t> bytes(memory());
    if (const int code = data(size, &bytes)) return code;
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (kind == 'L') {
      named_ = true;
      long_name_ = trim(text, kZero, false);
      return 0;
    }
    if (const int code = read_pax(text, &named_, &long_name_)) return code;
    return named_ && kind == 'g' ? refuse("one name for all files") : 0;
  }

  static int unsafe(std::string_view name) {
    return fail(LEAF_E_BUNDLE_PATH, "unsafe file name '%s'", Shown(name).text);
  }

  int handle_;
  uint64_t left_;
  std::pmr::vector<FileEntry>* files_;
  std::pmr::string root_, name_, long_name_;
  bool named_ = false;  // long_name_ is the next member's
  uint8_t header_[kBlock] = {};
};

}  // namespace

int read_tar(const char* path, std::pmr::vector<FileEntry>* files) {
  const Handle handle(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat status;
  if (handle.get() < 0 || fstat(handle.get(), &status) != 0) {
    return fail(LEAF_E_BUNDLE_FILES, "cannot be read (%s)", strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(LEAF_E_BUNDLE_NOT_FOUND, "neither a folder nor a file");
  }
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > kMaxTotalBytes + kOverhead) {
    return fail(LEAF_E_BUNDLE_SIZE, "%" PRIu64 " bytes are more than a bundle may have", size);
  }
  return TarReader(handle.get(), size, files).run();
}

}  // namespace leaf
