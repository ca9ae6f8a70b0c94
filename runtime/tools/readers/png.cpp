// PNG through libpng.
#include "readers/image.h"

#ifndef LEAF_HAS_PNG

namespace leaf_tools {
Image decode_png(const ImageHeader&, const uint8_t*, size_t, std::vector<uint8_t>*) {
  throw ImageFault(
      "is a PNG file, and this program was built without libpng; convert it to PPM, or build with "
      "libpng-dev installed");
}
}  // namespace leaf_tools

#else

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>

namespace leaf_tools {
namespace {

// What libpng calls back with. Its errors jump back to decode(): nothing between has a destructor.
struct Reading {
  const uint8_t* data;
  size_t left;
  char message[160];
};

void take(png_structp png, png_bytep out, png_size_t count) {
  auto* reading = static_cast<Reading*>(png_get_io_ptr(png));
  if (count > reading->left) png_error(png, "its pixels are cut short");
  memcpy(out, reading->data, count);
  reading->data += count;
  reading->left -= count;
}

void fail(png_structp png, png_const_charp message) {
  auto* reading = static_cast<Reading*>(png_get_error_ptr(png));
  snprintf(reading->message, sizeof reading->message, "%s", message);
  longjmp(png_jmpbuf(png), 1);
}

void ignore(png_structp, png_const_charp) {}

// A row of 16-bit big-endian samples to 8 bits, in place.
void narrow(uint8_t* row, size_t samples) {
  for (size_t at = 0; at < samples; ++at) {
    const uint32_t value = uint32_t{row[2 * at]} << 8 | row[2 * at + 1];
    row[at] = static_cast<uint8_t>((value * 255 + 32767) / 65535);
  }
}

struct Layout {
  Image image;
  bool wide;
  int passes;
};

// Samples of 8 or 16 bits, grey or RGB, without alpha. false: an error, its message kept.
bool read_layout(png_structp png, png_infop info, Layout* layout) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_user_limits(png, LEAF_MAX_DIMENSION, LEAF_MAX_DIMENSION);
  png_set_chunk_malloc_max(png, 8 << 20);  // of text, profiles and the like
  png_read_info(png, info);
  const int type = png_get_color_type(png, info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  if (type == PNG_COLOR_TYPE_GRAY_ALPHA) png_set_gray_to_rgb(png);
  png_set_strip_alpha(png);
  layout->passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  layout->image.width = static_cast<int32_t>(png_get_image_width(png, info));
  layout->image.height = static_cast<int32_t>(png_get_image_height(png, info));
  layout->image.channels = png_get_channels(png, info);
  layout->wide = png_get_bit_depth(png, info) == 16;
  return true;
}

bool read_rows(png_structp png, const Layout& layout, uint8_t* pixels) {
  if (setjmp(png_jmpbuf(png))) return false;
  const size_t row = static_cast<size_t>(layout.image.width) *
                     static_cast<size_t>(layout.image.channels) * (layout.wide ? 2 : 1);
  for (int pass = 0; pass < layout.passes; ++pass) {
    for (int32_t at = 0; at < layout.image.height; ++at) {
      png_read_row(png, pixels + static_cast<size_t>(at) * row, nullptr);
    }
  }
  png_read_end(png, nullptr);
  return true;
}

}  // namespace

Image decode_png(const ImageHeader&, const uint8_t* data, size_t size,
                 std::vector<uint8_t>* pixels) {
  Reading reading{data, size, ""};
  struct Owner {
    png_structp png = nullptr;
    png_infop info = nullptr;
    ~Owner() {
      if (png) png_destroy_read_struct(&png, info ? &info : nullptr, nullptr);
    }
  } owner;
  owner.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reading, fail, ignore);
  if (owner.png) owner.info = png_create_info_struct(owner.png);
  if (!owner.info) throw std::bad_alloc();
  png_set_read_fn(owner.png, &reading, take);
  Layout layout{};
  bool good = read_layout(owner.png, owner.info, &layout);
  if (good && layout.image.channels != 1 && layout.image.channels != 3) {
    throw ImageFault("PNG file has " + std::to_string(layout.image.channels) + " channels");
  }
  if (good) {
    Image room = layout.image;
    if (layout.wide) room.width *= 2;
    make_room(room, pixels);
    good = read_rows(owner.png, layout, pixels->data());
  }
  if (!good) throw ImageFault(std::string("PNG file is damaged: ") + reading.message);
  if (layout.wide) {
    const size_t samples = static_cast<size_t>(layout.image.width) *
                           static_cast<size_t>(layout.image.height) *
                           static_cast<size_t>(layout.image.channels);
    narrow(pixels->data(), samples);
  }
  return layout.image;
}

}  // namespace leaf_tools

#endif
