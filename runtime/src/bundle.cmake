# Reading and verifying a bundle, and its calibration.
set(leaf_bundle ${CMAKE_CURRENT_SOURCE_DIR}/src/bundle)
target_sources(leaf_core PRIVATE
  ${leaf_bundle}/fields.cpp
  ${leaf_bundle}/folder.cpp
  ${leaf_bundle}/json.cpp
  ${leaf_bundle}/load.cpp
  ${leaf_bundle}/manifest.cpp
  ${leaf_bundle}/manifest_added.cpp
  ${leaf_bundle}/manifest_golden.cpp
  ${leaf_bundle}/paths.cpp
  ${leaf_bundle}/sha256.cpp
  ${leaf_bundle}/signature.cpp
  ${leaf_bundle}/tar.cpp
  ${leaf_bundle}/unicode.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/calibration.cpp)
# Scores must have the bits that Python gives: no fused multiply-add.
set_source_files_properties(src/calibration.cpp PROPERTIES COMPILE_OPTIONS "-ffp-contract=off")
