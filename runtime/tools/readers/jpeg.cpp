// JPEG through libjpeg.
#include "readers/image.h"

#ifndef LEAF_HAS_JPEG

namespace leaf_tools {
Image decode_jpeg(const ImageHeader&, const uint8_t*, size_t, std::vector<uint8_t>*) {
  throw ImageFault(
      "is a JPEG file, and this program was built without libjpeg; convert it to PPM, or build "
      "with "
      "libjpeg-dev installed");
}
}  // namespace leaf_tools

#else

#include <csetjmp>
#include <cstdio>
#include <cstring>
// jpeglib.h needs stdio.h before it.
#include <jerror.h>
#include <jpeglib.h>

namespace leaf_tools {
namespace {

constexpr int kMaxScans = 500;  // a small file may hold very many, each over the whole picture
constexpr long kMaxMemory = 1L << 29;  // bytes of libjpeg's own, of progressive files

// libjpeg's state. Its errors jump back to where `jump` was set: nothing between has a destructor.
struct Reading {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
  bool open;
};

[[noreturn]] void fail(j_common_ptr common) {
  auto* reading = static_cast<Reading*>(common->client_data);
  common->err->format_message(common, reading->message);
  longjmp(reading->jump, 1);
}

// libjpeg fills what is missing or damaged and only warns. Some warnings are of no matter.
void warn(j_common_ptr common, int level) {
  if (level >= 0) return;
  const int code = common->err->msg_code;
  if (code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR) return;
  fail(common);
}

void ignore(j_common_ptr) {}

void count_scans(j_common_ptr common) {
  const auto* jpeg = reinterpret_cast<jpeg_decompress_struct*>(common);
  if (jpeg->input_scan_number <= kMaxScans) return;
  auto* reading = static_cast<Reading*>(common->client_data);
  snprintf(reading->message, sizeof reading->message, "more than %d scans", kMaxScans);
  longjmp(reading->jump, 1);
}

bool read_header(Reading* reading, const uint8_t* data, size_t size) {
  if (setjmp(reading->jump)) return false;
  jpeg_create_decompress(&reading->jpeg);
  reading->open = true;
  reading->jpeg.mem->max_memory_to_use = kMaxMemory;
  reading->progress.progress_monitor = count_scans;
  reading->jpeg.progress = &reading->progress;
  jpeg_mem_src(&reading->jpeg, const_cast<uint8_t*>(data), static_cast<unsigned long>(size));
  jpeg_read_header(&reading->jpeg, TRUE);
  return true;
}

bool read_rows(Reading* reading, uint8_t* pixels, size_t row) {
  if (setjmp(reading->jump)) return false;
  jpeg_decompress_struct* jpeg = &reading->jpeg;
  jpeg->out_color_space = jpeg->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(jpeg);
  while (jpeg->output_scanline < jpeg->output_height) {
    JSAMPROW line = pixels + static_cast<size_t>(jpeg->output_scanline) * row;
    jpeg_read_scanlines(jpeg, &line, 1);
  }
  jpeg_finish_decompress(jpeg);
  return true;
}

}  // namespace

Image decode_jpeg(const ImageHeader& header, const uint8_t* data, size_t size,
                  std::vector<uint8_t>* pixels) {
  const auto owned = std::make_unique<Reading>();
  Reading* reading = owned.get();
  memset(reading, 0, sizeof *reading);
  reading->jpeg.err = jpeg_std_error(&reading->errors);
  reading->errors.error_exit = fail;
  reading->errors.emit_message = warn;
  reading->errors.output_message = ignore;
  reading->jpeg.client_data = reading;
  struct Closer {
    Reading* reading;
    ~Closer() {
      if (reading->open) jpeg_destroy_decompress(&reading->jpeg);
    }
  } closer{reading};
  bool good = read_header(reading, data, size);
  Image image{header.width, header.height, 3};
  if (good) {
    const jpeg_decompress_struct& jpeg = reading->jpeg;
    if (jpeg.num_components != 1 && jpeg.num_components != 3) {
      throw ImageFault("JPEG file has " + std::to_string(jpeg.num_components) +
                       " components (CMYK?); convert it to RGB, or use leaf-edge score");
    }
    if (static_cast<int64_t>(jpeg.image_width) != header.width ||
        static_cast<int64_t>(jpeg.image_height) != header.height) {
      throw ImageFault("JPEG file is damaged: it states two sizes");
    }
    image.channels = jpeg.num_components;
    make_room(image, pixels);
    good = read_rows(reading, pixels->data(),
                     static_cast<size_t>(image.width) * static_cast<size_t>(image.channels));
  }
  if (!good) throw ImageFault(std::string("JPEG file is damaged: ") + reading->message);
  return image;
}

}  // namespace leaf_tools

#endif
