#!/usr/bin/env bash
# Unpacks what `npm run gpu:pack` made and runs it: builds the addon against the torch that is here, tests and measures (docs/gpu.md).
# Needs Linux x86-64, Python 3 with torch 2.11 or newer, g++ 11, CMake; ninja helps. No Node, no network.
set -euo pipefail

usage() {
  cat <<'END'
usage: bash scripts/gpu.sh [options]

  --device cuda|cpu   where tests and measurements run (cuda)
  --stages A,B,...    these stages alone: found, kernels, steps, demo, memory, step, profile, ranks; the addon is always built
  --minutes 8         the whole run's time; each stage's limit scales with it
  --out DIR           where gpu.json and gpu.log go ($OUT, else ./gpu-results)
  --scratch DIR       where the pack is unpacked; kept, and used again by a later run (a temporary folder, removed at the end)

FLOTILLA_TORCH names the torch package to use; without it, the one that python3 imports is.
END
}

began=$(date +%s)
out=${OUT:-gpu-results}
device=cuda
scratch=
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --out | --scratch | --device | --stages | --minutes)
      [ $# -ge 2 ] || { echo "$1 needs a value" >&2; usage >&2; exit 2; }
      case $1 in
        --out) out=$2 ;;
        --scratch) scratch=$2 ;;
        --device) device=$2 options+=("$1" "$2") ;;
        *) options+=("$1" "$2") ;;
      esac
      shift 2
      ;;
    *) echo "unknown option: $1" >&2; usage >&2; exit 2 ;;
  esac
done

case $device in cuda | cpu) ;; *) echo "--device $device: cuda or cpu is needed" >&2; exit 2 ;; esac
mkdir -p "$out"
out=$(cd "$out" && pwd)
fail() { echo "$*" >&2; exit 1; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pack=
for folder in "$here" "$here/../.gpu"; do
  if [ -f "$folder/pack.json" ]; then pack=$folder; break; fi
done
[ -n "$pack" ] || fail "there is no pack beside $here/gpu.sh nor in $here/../.gpu: make one with \`npm run gpu:pack\`"
[ "$(uname -sm)" = 'Linux x86_64' ] || fail "the pack is for Linux x86_64; this is $(uname -sm)"
command -v python3 >/dev/null || fail 'python3 is needed, to unpack and for torch'
if [ "$device" = cuda ] && ! compgen -G '/dev/nvidia[0-9]*' >/dev/null && [ ! -e /proc/driver/nvidia/version ] && ! nvidia-smi -L >/dev/null 2>&1; then
  fail 'no NVIDIA GPU is here (no /dev/nvidia*, no driver, no nvidia-smi); --device cpu runs the stages in sizes for a CPU'
fi

kept=$scratch
if [ -z "$scratch" ]; then scratch=$(mktemp -d "${TMPDIR:-/tmp}/flotilla-gpu.XXXXXX"); fi
mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd)
runner=
unpacking=()
# However this ends, nothing goes on running: the runner starts each stage in a process group of its own and leaves its number here.
end() {
  for process in "${unpacking[@]}"; do kill -KILL "$process" 2>/dev/null && wait "$process" 2>/dev/null || true; done
  if [ -n "$runner" ]; then kill -KILL "$runner" 2>/dev/null || true; fi
  if [ -f "$scratch/group" ]; then kill -KILL -- "-$(cat "$scratch/group")" 2>/dev/null || true; fi
  rm -f "$scratch/group" "$out"/gpu.json.*.next
  if [ -z "$kept" ]; then rm -rf "$scratch"; fi
}
trap end EXIT

tree=$scratch/flotilla
if [ "$(cat "$pack/pack.json")" != "$(cat "$tree/pack.json" 2>/dev/null)" ]; then
  rm -rf "$tree"
  mkdir -p "$tree"
  for archive in "$pack"/*.tar.xz; do
    python3 -c '
import sys, tarfile
with tarfile.open(sys.argv[1], "r|xz") as archive:
    safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    archive.extractall(sys.argv[2], **safe)
' "$archive" "$tree" &
    unpacking+=($!)
  done
  for process in "${unpacking[@]}"; do wait "$process" || fail 'the pack cannot be unpacked: copy it again, whole'; done
  unpacking=()
  cp "$pack/pack.json" "$tree/pack.json" # last: a folder that has it is whole
fi
node=$tree/bin/node
"$node" --version >/dev/null || fail 'the Node of the pack does not run here'
echo "unpacked after $(($(date +%s) - began)) s"

export PATH=$tree/bin:$PATH
if [ ! -w "${HOME:-}" ]; then export HOME=$scratch/home; mkdir -p "$HOME"; fi
export TORCHINDUCTOR_CACHE_DIR=$scratch/inductor TRITON_CACHE_DIR=$scratch/triton
"$node" "$tree/dist/bench/gpu/run/main.js" "${options[@]}" --out "$out" --began "$began" --group-file "$scratch/group" &
runner=$!
trap 'kill -TERM "$runner" 2>/dev/null || true' TERM INT HUP
while :; do
  status=0
  wait "$runner" || status=$?
  # A signal to this shell ends the wait and not the runner.
  kill -0 "$runner" 2>/dev/null || break
done
runner=
exit "$status"
