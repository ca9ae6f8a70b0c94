#!/usr/bin/env bash
# Finds what the build needs from the system, and installs what is missing through apt-get.
#   scripts/system_packages.sh build    Python >= 3.11 (venv, headers) and a C++ compiler; prints the Python
#   scripts/system_packages.sh images   libpng and libjpeg with headers, with which leaf-score reads PNG and JPEG; never fails
#   scripts/system_packages.sh cross    aarch64 compiler and qemu for the tests on Arm; never fails
#   scripts/system_packages.sh fuzz     clang++ with libFuzzer; prints it, or nothing where there is none; never fails
# Environment: PYTHON=path chooses the interpreter; APT=no installs nothing and only says what is missing.
set -eu

say() { echo "==> $*" >&2; }

usable_python() {
  # ensurepip is what Debian's pythonX-venv adds; Python.h what pythonX-dev adds
  "$1" - 2>/dev/null <<'EOF'
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(not (sys.version_info >= (3, 11) and os.path.isfile(header)))
EOF
}

find_python() {
  local name
  for name in ${PYTHON:-python3 python3.11 python3.12 python3.13}; do
    if command -v "$name" >/dev/null && usable_python "$name"; then
      command -v "$name"
      return 0
    fi
  done
  return 1
}

# The distribution's own Python where it is new enough, else its 3.11 (Ubuntu 22.04).
python_packages() {
  if [ "${python_candidate:=$(apt-cache policy python3 2>/dev/null | sed -n 's/ *Candidate: *//p')}" ] &&
    dpkg --compare-versions "${python_candidate#*:}" ge 3.11; then
    echo python3 python3-venv python3-dev
  else
    echo python3.11 python3.11-venv python3.11-dev
  fi
}

# Whether a program with the header $1 is compiled and linked with the library $2.
can_link() {
  local program result=0
  program=$(mktemp)
  printf '#include <stdio.h>\n#include <%s>\nint main() {}\n' "$1" |
    "$(command -v "${CXX:-c++}" || command -v g++ || command -v clang++)" -x c++ - -o "$program" "-l$2" 2>/dev/null || result=1
  rm -f "$program"
  return $result
}

# A clang++ that links libFuzzer: its runtime is a package of its own on Debian.
find_fuzzing_clang() {
  local name program
  program=$(mktemp)
  for name in ${CLANGXX:-clang++ $(compgen -c clang++- | grep -x 'clang++-[0-9]*' | sort -ruV)}; do
    if command -v "$name" >/dev/null &&
      echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
      "$name" -fsanitize=fuzzer,address,undefined -x c++ - -o "$program" 2>/dev/null; then
      rm -f "$program"
      command -v "$name"
      return 0
    fi
  done
  rm -f "$program"
  return 1
}

# clang, and the package of its runtime where there is one (on Ubuntu 22.04 clang brings it).
fuzz_packages() {
  echo clang
  if apt-cache policy libclang-rt-dev 2>/dev/null | grep -q 'Candidate: [0-9]'; then
    echo libclang-rt-dev
  elif version=$(apt-cache depends clang 2>/dev/null | sed -n 's/ *Depends: clang-\([0-9]*\)$/\1/p') &&
    apt-cache policy "libclang-rt-$version-dev" 2>/dev/null | grep -q 'Candidate: [0-9]'; then
    echo "libclang-rt-$version-dev"
  fi
}

# install PACKAGE...: with the rights at hand, or fails and prints the command.
install() {
  local command="apt-get update && apt-get install -y --no-install-recommends $*"
  local as_root=()
  if [ "${APT:-yes}" = no ] || ! command -v apt-get >/dev/null; then
    say "please install: $*"
    say "on Debian or Ubuntu, as root: $command"
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || { [ "$ask" = yes ] && [ -t 0 ]; }; }; then
      say "missing, and no right to install it; as root run: $command"
      return 1
    fi
    as_root=(sudo)
  fi
  say "installing with apt-get: $*"
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq -y --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    say "apt-get failed; as root try: $command"
    return 1
  fi
  rm -f "$log"
}

case "${1:-}" in
  build)
    ask=yes
    missing=()
    if ! find_python >/dev/null; then
      if [ -n "${PYTHON:-}" ]; then
        say "PYTHON=$PYTHON is not a Python >= 3.11 with venv and headers (pythonX-venv, pythonX-dev)"
        exit 1
      fi
      command -v apt-cache >/dev/null && [ "$(id -u)" -eq 0 ] && [ "${APT:-yes}" != no ] &&
        ! apt-cache policy python3 | grep -q 'Candidate: [0-9]' && apt-get update -qq >&2
      read -ra missing <<<"$(python_packages)"
    fi
    command -v g++ >/dev/null || command -v clang++ >/dev/null || missing+=(g++)
    if [ ${#missing[@]} -gt 0 ]; then
      install "${missing[@]}"
    fi
    find_python || {
      say "no Python >= 3.11 with venv and headers; name one with PYTHON=/path/to/python3"
      exit 1
    }
    ;;
  images)
    ask=no
    missing=()
    can_link png.h png || missing+=(libpng-dev)
    can_link jpeglib.h jpeg || missing+=(libjpeg-dev)
    if [ ${#missing[@]} -gt 0 ] && ! install "${missing[@]}"; then
      say "going on without ${missing[*]}: leaf-score will not read these images, and says so"
    fi
    ;;
  cross)
    ask=no
    missing=()
    command -v aarch64-linux-gnu-g++ >/dev/null || missing+=(g++-aarch64-linux-gnu)
    command -v qemu-aarch64-static >/dev/null || command -v qemu-aarch64 >/dev/null ||
      missing+=(qemu-user-static)
    if [ ${#missing[@]} -gt 0 ] && ! install "${missing[@]}"; then
      say "going on without: the tests on Arm will be skipped"
    fi
    ;;
  fuzz)
    ask=no
    if ! find_fuzzing_clang; then
      command -v apt-cache >/dev/null && [ "$(id -u)" -eq 0 ] && [ "${APT:-yes}" != no ] &&
        ! apt-cache policy clang | grep -q 'Candidate: [0-9]' && apt-get update -qq >&2
      mapfile -t missing < <(fuzz_packages)
      { install "${missing[@]}" && find_fuzzing_clang; } ||
        say "no clang++ with libFuzzer: the fuzz targets will be run by a plain driver, without coverage"
    fi
    ;;
  *)
    echo "usage: $0 build|images|cross|fuzz" >&2
    exit 2
    ;;
esac
