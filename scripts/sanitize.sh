#!/usr/bin/env bash
# The C++ tests in two more builds: address and undefined behaviour, and threads.
#   scripts/sanitize.sh BIN
# BIN: folder with cmake, ctest and ninja. Environment: JOBS, LEAF_ONNXRUNTIME; LEAF_BUILD, a folder in place of build/. docs/hardening.md
set -eu
bin=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
build=${LEAF_BUILD:-build}
root=$PWD
jobs=${JOBS:-$(nproc)}
scripts/system_packages.sh images
suppressions=$root/runtime/tests/sanitizers

# g++'s ThreadSanitizer stops where addresses are more random than it knows; setarch switches that off
# where the system lets it.
plain=()
if setarch "$(uname -m)" -R true 2>/dev/null; then
  plain=(setarch "$(uname -m)" -R)
fi

# check FOLDER SANITIZERS EXCLUDED [NAME=VALUE...]: without the tests whose names match EXCLUDED
check() {
  local folder=$build/$1 sanitizers=$2 excluded=$3 log=$build/$1.log
  shift 3
  echo "==> C++ tests with the sanitizers $sanitizers: building in $folder, log in $log"
  mkdir -p "$build"
  { "$bin/cmake" -S . -B "$folder" -G Ninja -DCMAKE_MAKE_PROGRAM="$bin/ninja" -DLEAF_TESTS=ON -DLEAF_LIBRARY=OFF -DLEAF_CUDA=OFF \
    -DLEAF_SANITIZE="$sanitizers" && "$bin/cmake" --build "$folder" -j "$jobs"; } >"$log" 2>&1 ||
    { cat "$log"; exit 1; }
  "${plain[@]}" env "$@" "$bin/ctest" --test-dir "$folder" --output-on-failure --no-tests=error \
    -j "$jobs" --timeout 300 -E "$excluded"
}

check sanitize address,undefined '^$' \
  ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 \
  LSAN_OPTIONS="suppressions=$suppressions/leak.txt:print_suppressions=0"
# what has no second thread has no race
check sanitize-thread thread '^(fuzz_.*|checkviews.*|views|gate|calibration)$' \
  TSAN_OPTIONS="suppressions=$suppressions/thread.txt:second_deadlock_stack=1:halt_on_error=1"
