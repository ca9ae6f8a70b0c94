#!/usr/bin/env bash
# The C library as packages: a .tar.gz that can be unpacked anywhere, and .deb files with Debian's folders.
#   scripts/package.sh BIN OUTPUT [cmake options]
# BIN: folder with cmake, cpack and ninja. A toolchain file among the options makes those of another processor.
set -eu
bin=$(cd "$1" && pwd)
mkdir -p "$2"
output=$(cd "$2" && pwd)
shift 2
cd "$(dirname "$0")/.."
build=${LEAF_BUILD:-build}
folder=$build/package
mkdir -p "$build"
log=$build/package.log

# libraries of another processor are the user's to find
case "$*" in *CMAKE_TOOLCHAIN_FILE*) ;; *) scripts/system_packages.sh images ;; esac

# pack GENERATOR [cmake options]: the folders change, the objects do not
pack() {
  local generator=$1
  shift
  { "$bin/cmake" -S . -B "$folder" -G Ninja -DCMAKE_MAKE_PROGRAM="$bin/ninja" "$@" &&
    "$bin/cmake" --build "$folder" && "$bin/cpack" --config "$folder/CPackConfig.cmake" -G "$generator" \
    -B "$folder/$generator"; } >"$log" 2>&1 || { cat "$log"; exit 1; }
  find "$folder/$generator" -maxdepth 1 -type f -exec cp -t "$output" {} +
}

rm -rf "$folder/TGZ" "$folder/DEB"
pack TGZ -DCMAKE_INSTALL_PREFIX=/opt/leaf-edge -DCMAKE_INSTALL_LIBDIR=lib "$@"
if command -v dpkg-deb >/dev/null; then
  triple=$(sed -n 's/^set(CMAKE_CXX_LIBRARY_ARCHITECTURE "\(.*\)")$/\1/p' "$folder"/CMakeFiles/*/CMakeCXXCompiler.cmake)
  pack DEB -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_INSTALL_LIBDIR="lib${triple:+/$triple}" "$@"
fi
sed -n 's/^-- LEAF-Edge: \(tools read\)/\1/p; s/^-- LEAF-Edge: \(CUDA o\)/\1/p' "$log"
"$bin/cmake" --build "$folder" --target core_size | grep -o 'core without engines.*'
ls -l "$output"
