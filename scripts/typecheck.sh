#!/usr/bin/env bash
# mypy --strict over the package as it is installed: export/ and calibration/ inside leaf_edge.
# mypy names modules by their folders, so it gets a folder of links that has that shape.
#   scripts/typecheck.sh PYTHON [mypy options]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
view=$root/build/typecheck
rm -rf "$view"
mkdir -p "$view/leaf_edge"
for entry in "$root"/leaf_edge/* "$root/export" "$root/calibration"; do
  ln -s "$entry" "$view/leaf_edge/"
done
cd "$view"
exec "$python" -m mypy --config-file "$root/pyproject.toml" --cache-dir "$root/.mypy_cache" "$@" -p leaf_edge
