#!/usr/bin/env bash
# Builds the fuzz targets of runtime/tests/fuzz and runs each for a time, as many at once as there are cores.
#   scripts/fuzz.sh BIN SECONDS [NAME...]
# BIN: folder with cmake and ninja. NAME: some targets alone, `frame` for fuzz_frame. Environment: JOBS; LEAF_BUILD, a folder in place of build/.
# What libFuzzer finds new grows in build/fuzz-*/corpus/NAME; an input that fails is kept in
# build/fuzz-*/failed/. docs/hardening.md
set -eu
bin=$(cd "$1" && pwd)
seconds=$2
shift 2
cd "$(dirname "$0")/.."
build=${LEAF_BUILD:-build}
jobs=${JOBS:-$(nproc)}
scripts/system_packages.sh images

clang=$(scripts/system_packages.sh fuzz)
if [ -n "$clang" ]; then
  folder=$build/fuzz-clang
  compilers=(-DCMAKE_CXX_COMPILER="$clang" -DCMAKE_C_COMPILER="${clang/clang++/clang}")
  echo "==> fuzzing with libFuzzer ($("$clang" --version | head -n 1)), $seconds s each"
else
  folder=$build/fuzz-gcc
  compilers=()
  echo "==> fuzzing with the plain driver, $seconds s each"
fi

mkdir -p "$folder/logs" "$folder/failed"
log=$folder/logs/build.log
{ "$bin/cmake" -S . -B "$folder" -G Ninja -DCMAKE_MAKE_PROGRAM="$bin/ninja" -DLEAF_FUZZ=ON -DLEAF_LIBRARY=OFF \
  -DLEAF_CUDA=OFF "${compilers[@]}" && "$bin/cmake" --build "$folder" -j "$jobs"; } >"$log" 2>&1 ||
  { cat "$log"; exit 1; }

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for source in runtime/tests/fuzz/fuzz_*.cpp; do
    name=${source##*/fuzz_}
    names+=("${name%.cpp}")
  done
fi

export folder seconds
# One target: its programs' last words on success, all of them on failure.
run_one() {
  local name=$1 log=$folder/logs/$1.log
  mkdir -p "$folder/corpus/$name"
  if "$folder/runtime/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
    -verbosity=1 -print_final_stats=1 -artifact_prefix="$folder/failed/$name-" \
    "$folder/corpus/$name" "runtime/tests/fuzz/corpus/$name" >"$log" 2>&1; then
    echo "    fuzz_$name: $(grep -aE '^Done [0-9]+ runs' "$log" | tail -n 1 | sed 's/^Done //')"
  else
    tail -n 60 "$log"
    echo "    fuzz_$name: FAILED; the input is in $folder/failed/, the log in $log"
    return 1
  fi
}
export -f run_one
printf '%s\n' "${names[@]}" | xargs -P "$jobs" -I{} bash -c 'run_one {}'
