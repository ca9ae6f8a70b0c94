#!/usr/bin/env bash
# mypy --strict over everything that calls TensorRT, once for each of the bindings of scripts/tensorrt_stubs.py.
# Skips, with the reason, where the bindings cannot be had; LEAF_TENSORRT_STUBS=required makes that a failure.
#   scripts/typecheck_tensorrt.sh PYTHON
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
status=0
"$python" "$root/scripts/tensorrt_stubs.py" || status=$?
if [ "$status" = 3 ] && [ "${LEAF_TENSORRT_STUBS:-}" != required ]; then
  exit 0
elif [ "$status" != 0 ]; then
  exit 1
fi
view=$root/build/typecheck # made by scripts/typecheck.sh, whose cache this shares: only what knows TensorRT is new
[ -d "$view/leaf_edge" ] || "$root/scripts/typecheck.sh" "$python" >&2
cd "$view"
modules=$(grep -lrE '^ *import tensorrt\b' leaf_edge/export/ leaf_edge/runtime/ --include='*.py' | sort)
for stubs in "$root"/build/stubs/[0-9]*; do
  version=$(basename "$stubs")
  MYPYPATH=$stubs "$python" -m mypy --config-file "$root/pyproject.toml" --cache-dir "$root/.mypy_cache" \
    $(for module in $modules; do echo -m "$(echo "${module%.py}" | tr / .)"; done) ||
    { echo "against the bindings of TensorRT $version"; exit 1; }
done
