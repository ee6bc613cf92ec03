#!/usr/bin/env bash
# One call on a machine with a GPU: trains the demo's twin there and writes what it measured as JSON.
#   bash scripts/gpu_check.sh [WHEELS] [OUT]
# WHEELS is a folder of wheels for packages that the machine lacks (Open3D is never needed); OUT is where the JSON goes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
wheels=${1:-}
out=${2:-scripts/bench/results}
if [ -n "$wheels" ]; then
    site=$(mktemp -d)
    python3 -m pip install -q --no-index --no-deps --no-compile --target "$site" "$wheels"/*.whl
    export PYTHONPATH="$site"
fi
python3 -m scripts.bench.gpu_check --out "$out"
