// What a bundle may hold (leaf_edge/bundle/manifest.py).
#pragma once

#include <cstdint>
#include <string_view>

namespace leaf {

constexpr std::string_view kManifestName = "manifest.json";
constexpr std::string_view kEnginesFolder = "engines/";
constexpr uint64_t kMaxManifestBytes = 1U << 20;
constexpr uint64_t kMaxFileBytes = 256U << 20;
constexpr uint64_t kMaxTotalBytes = 512U << 20;
constexpr uint32_t kMaxFiles = 256;

}  // namespace leaf
