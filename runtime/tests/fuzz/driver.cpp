// Runs a fuzz target where the compiler has no libFuzzer: every input of the corpus, then random
// changes of them, until the time or the number of runs is over. Takes libFuzzer's options of the
// same names:
//   fuzz_NAME [-runs=N] [-max_total_time=SECONDS] [-seed=N] [-max_len=N] [-artifact_prefix=P]
//   CORPUS...
// CORPUS: folders or files. Other options are ignored. Without -runs and -max_total_time: the
// corpus alone.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

// abort() counts as a finding, with the input kept.
extern "C" const char* __asan_default_options() { return "handle_abort=1"; }
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1"; }

namespace {

using Bytes = std::vector<uint8_t>;

std::string artifact = "crash-";
const Bytes* current = nullptr;

void keep_input() {
  if (!current) return;
  const std::string path = artifact + "input";
  if (FILE* file = fopen(path.c_str(), "wb")) {
    fwrite(current->data(), 1, current->size(), file);
    fclose(file);
    fprintf(stderr, "the input is kept as %s (%zu bytes)\n", path.c_str(), current->size());
  }
  current = nullptr;
}

class Mutator {
 public:
  Mutator(uint64_t seed, size_t limit) : random_(seed), limit_(limit) {}

  Bytes change(const std::vector<Bytes>& corpus) {
    Bytes bytes = corpus[below(corpus.size())];
    for (size_t n = 1 + below(6); n; --n) step(bytes, corpus);
    if (bytes.size() > limit_) bytes.resize(limit_);
    return bytes;
  }

 private:
  size_t below(size_t limit) { return limit ? static_cast<size_t>(random_() % limit) : 0; }

  void step(Bytes& bytes, const std::vector<Bytes>& corpus) {
    static constexpr uint64_t kOdd[] = {0,        1,          0x7f,       0x80,       0xff,
                                        0x7fff,   0x8000,     0xffff,     0x10000,    0x7fffffff,
                                        1u << 31, 0xffffffff, 1ull << 32, ~0ull >> 1, ~0ull};
    const size_t at = below(bytes.size() + 1);
    const size_t left = bytes.size() - at;
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(8)) {
      case 0:  // one bit
        if (left) bytes[at] = static_cast<uint8_t>(bytes[at] ^ (1u << below(8)));
        break;
      case 1:  // one byte
        if (left) bytes[at] = static_cast<uint8_t>(below(256));
        break;
      case 2: {  // a number that programs stumble over, of 1 to 8 bytes
        const uint64_t value = kOdd[below(std::size(kOdd))];
        memcpy(bytes.data() + at, &value, std::min(left, size_t{1} << below(4)));
        break;
      }
      case 3: {  // bytes removed
        const size_t count = std::min(left, 1 + below(16));
        bytes.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
        break;
      }
      case 4:  // bytes put in
        bytes.insert(begin, 1 + below(16), static_cast<uint8_t>(below(256)));
        break;
      case 5: {  // a part of itself again
        const size_t count = std::min(left, 1 + below(64));
        const Bytes part(begin, begin + static_cast<std::ptrdiff_t>(count));
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1)),
                     part.begin(), part.end());
        break;
      }
      case 6: {  // the rest of another
        const Bytes& other = corpus[below(corpus.size())];
        const size_t from = below(other.size() + 1);
        bytes.resize(at);
        bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
        break;
      }
      default:  // a digit, for text
        if (left) bytes[at] = static_cast<uint8_t>('0' + below(10));
        break;
    }
  }

  std::mt19937_64 random_;
  size_t limit_;
};

bool option(const char* argument, const char* name, const char** value) {
  const size_t length = strlen(name);
  if (strncmp(argument, name, length) || argument[length] != '=') return false;
  *value = argument + length + 1;
  return true;
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

void add_paths(std::vector<std::filesystem::path>& paths, const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) {
    paths.push_back(path);
    return;
  }
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
}

}  // namespace

int main(int argc, char** argv) {
  long long runs = -1;
  double seconds = -1;
  uint64_t seed = std::random_device{}();
  size_t limit = 1 << 16;
  std::vector<Bytes> corpus;
  std::vector<std::filesystem::path> paths;
  for (int n = 1; n < argc; ++n) {
    const char* value;
    if (option(argv[n], "-runs", &value)) {
      runs = atoll(value);
    } else if (option(argv[n], "-max_total_time", &value)) {
      seconds = atof(value);
    } else if (option(argv[n], "-seed", &value)) {
      seed = strtoull(value, nullptr, 10);
    } else if (option(argv[n], "-max_len", &value)) {
      limit = strtoull(value, nullptr, 10);
    } else if (option(argv[n], "-artifact_prefix", &value)) {
      artifact = value;
    } else if (argv[n][0] != '-') {
      if (!std::filesystem::exists(argv[n])) {
        fprintf(stderr, "%s: no such file or folder\n", argv[n]);
        return 2;
      }
      add_paths(paths, argv[n]);
    }
  }
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) corpus.push_back(read_file(path));
  if (corpus.empty()) corpus.emplace_back();

  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(keep_input);
  long long done = 0;
  const auto run = [&](const Bytes& bytes) {
    // exact size on the heap, so that a read behind the end is seen
    const Bytes input(bytes);
    current = &input;
    LLVMFuzzerTestOneInput(input.data(), input.size());
    current = nullptr;
    ++done;
  };
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  for (const Bytes& bytes : corpus) run(bytes);
  Mutator mutator(seed, limit);
  while ((runs >= 0 || seconds >= 0) && (runs < 0 || done < runs) &&
         (seconds < 0 || elapsed() < seconds)) {
    run(mutator.change(corpus));
  }
  printf("Done %lld runs in %.0f second(s), %zu inputs, seed %llu\n", done, elapsed(),
         corpus.size(), static_cast<unsigned long long>(seed));
  return 0;
}
