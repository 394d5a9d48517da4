# What the scripts of this folder share: steps with progress and times, root or sudo, where dependencies are kept.
# Sourced, not run.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
export MILLRACE_DEPS=${MILLRACE_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace/deps}
logs=$root/build/logs

say() { printf '%s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Runs what follows as root: directly, or by sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this step needs root: run it as root, or install sudo"
  fi
}

seconds_since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }'; }

# step NAME COMMAND...: one line that says what is being done and how long it took. On a terminal the last line of the
# command's output is shown while it runs; elsewhere the name stands there at once. The whole output is kept in
# build/logs; on failure its end is printed. Not to be called where its failure is tested (`if step`, `step ||`): bash
# would then go on behind a command that failed inside a function.
step() {
  local name=$1 start log pid status=0
  shift
  mkdir -p "$logs"
  log=$logs/$(printf '%s' "$name" | tr -c 'A-Za-z0-9\n' '-').log
  start=$(date +%s.%N)
  # A job of its own, with its own process group: errexit holds in it, and Ctrl-C ends all of it.
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  set +m
  trap 'kill -- "-$pid" 2>/dev/null; printf "\n"; exit 130' INT TERM
  if [ -t 1 ]; then
    printf '  %-44s' "$name"
    while kill -0 "$pid" 2>/dev/null; do
      printf '\r  %-44s%s\033[K' "$name" "$(tail -n 1 "$log" 2>/dev/null | tr -cd '[:print:]' | cut -c1-60)"
      sleep 0.2
    done
    printf '\r\033[K'
  else
    printf '  %s ...\n' "$name"
  fi
  wait "$pid" || status=$?
  trap - INT TERM
  if [ "$status" != 0 ]; then
    printf '  %-44s FAILED after %s s\n' "$name" "$(seconds_since "$start")"
    tail -n 40 "$log" >&2
    die "$name failed; the whole output is in $log"
  fi
  printf '  %-44s %6s s\n' "$name" "$(seconds_since "$start")"
}
