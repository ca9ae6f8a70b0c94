// Bounded reading from files, pipes and memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace leaf_tools {

// Ctrl-C, SIGTERM and SIGHUP, also while a read waits for a pipe. One call for a program, before it
// reads.
void catch_signals();
bool interrupted();

// Ends all reads, of other threads too, with Interrupted: the rest is not wanted.
void stop_reads();

// A stream of bytes, some of which may be looked at before they are taken. Errors of the system are
// SourceError with `name`.
class ByteStream {
 public:
  ByteStream(std::string name, const std::string& path);           // a file
  ByteStream(std::string name, int descriptor);                    // stays open at the end
  ByteStream(std::string name, const uint8_t* data, size_t size);  // memory of the caller's
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  const std::string& name() const { return name_; }
  std::string peek(size_t count);       // up to `count` bytes from here on, which stay
  std::string read_line(size_t limit);  // to and with the next newline; shorter at the end
  uint64_t skip(uint64_t count);        // how many bytes were there

  // Reads up to `count` bytes to the front of `bytes`, which grows with what comes and never
  // shrinks: a header that lies costs nothing. How many there were.
  size_t read(std::vector<uint8_t>* bytes, size_t count);

 private:
  size_t read_some(uint8_t* out, size_t count);  // 0: the end
  size_t take(uint8_t* out, size_t count);
  void fill();  // more bytes behind those that were looked at

  std::string name_;
  int descriptor_ = -1;
  bool owned_ = false, seekable_ = false;
  const uint8_t* memory_ = nullptr;
  size_t memory_left_ = 0;
  std::vector<uint8_t> ahead_;
  size_t ahead_at_ = 0;
  bool ended_ = false;
};

}  // namespace leaf_tools
