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

# The last line of a log, as much of it as a line of ours has room for.
last_line() { tail -n 1 "$1" 2>/dev/null | tr '\r' '\n' | grep . | tail -n 1 | tr -cd '[:print:]' | cut -c1-60; }

# tell_progress NAME LOG PID: while PID lives, a line from time to time that says how far its log is.
tell_progress() {
  local start=$SECONDS
  while sleep "${MILLRACE_PROGRESS_SECONDS:-30}" && kill -0 "$3" 2>/dev/null; do
    printf '  %-44s %6s s  %s\n' "$1 ..." "$((SECONDS - start))" "$(last_line "$2")"
  done
}

# run_logged NAME LOG COMMAND...: leaves the command's output in LOG and its exit status in run_status. On a terminal
# the log's last line is shown while it runs; elsewhere the name stands there at once, and every half minute a line that
# says how far it is.
run_logged() {
  local name=$1 log=$2 pid ticker=
  shift 2
  run_status=0
  # A job of its own, with its own process group: errexit holds in it, and Ctrl-C ends all of it.
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  if [ ! -t 1 ]; then
    printf '  %s ...\n' "$name"
    tell_progress "$name" "$log" "$pid" &
    ticker=$!
  fi
  set +m
  trap 'kill -- "-$pid" ${ticker:+"-$ticker"} 2>/dev/null; printf "\n"; exit 130' INT TERM
  if [ -t 1 ]; then
    printf '  %-44s' "$name"
    while kill -0 "$pid" 2>/dev/null; do
      printf '\r  %-44s%s\033[K' "$name" "$(last_line "$log")"
      sleep 0.2
    done
    printf '\r\033[K'
  fi
  wait "$pid" || run_status=$?
  [ -z "$ticker" ] || { kill -- "-$ticker"; wait "$ticker"; } 2>/dev/null || true
  trap - INT TERM
}

# step NAME COMMAND...: one line that says what is being done and how long it took. The whole output is kept in
# build/logs; on failure its end is printed. Not to be called where its failure is tested (`if step`, `step ||`): bash
# would then go on behind a command that failed inside a function.
step() {
  local name=$1 start log
  shift
  mkdir -p "$logs"
  log=$logs/$(printf '%s' "$name" | tr -c 'A-Za-z0-9\n' '-').log
  start=$(date +%s.%N)
  run_logged "$name" "$log" "$@"
  if [ "$run_status" != 0 ]; then
    printf '  %-44s FAILED after %s s\n' "$name" "$(seconds_since "$start")"
    tail -n 40 "$log" >&2
    die "$name failed; the whole output is in $log"
  fi
  printf '  %-44s %6s s\n' "$name" "$(seconds_since "$start")"
}
