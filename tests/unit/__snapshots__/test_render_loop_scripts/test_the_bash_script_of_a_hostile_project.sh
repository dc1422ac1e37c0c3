#!/usr/bin/env bash
# Works on the plan of one project from a terminal, with a fresh `claude` for each step: `loop.sh --help` says how.
#
# `orchestrate loop` does the work: it reads what comes next from MAIN_TASK, calls `claude` for exactly that, and reads
# again. So this script may be ended at any moment and started again. It was written by `orchestrate launch`; change it
# by calling that again. No text of the plan is in it.
# shellcheck disable=SC2016 # what stands in single quotes is meant as it is
set -euo pipefail

project='/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀'
folder='/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀/.orchestrator'

orchestrate=('/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀/.venv/bin/python' '/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀/orchestrate.py')
options=(--dir '/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀/.orchestrator' --claude '/opt/it'"'"'s "new" ü/claude')

usage() {
  cat <<'END'
Usage: loop.sh [OPTIONS]

Calls claude afresh for every step of the plan, until it is done or cannot go on. Started again, it goes on where it
stopped. All options go to `orchestrate loop`:

  --once                 one invocation, and never wait
  --max-iterations N     stop after N invocations
  --max-minutes N        begin no invocation after N minutes
  --budget-usd USD       what all invocations may cost
  --interval SECONDS     wait so long between two invocations
  --model MODEL          of every invocation
  --allowed-tools RULE   grant one more tool to every invocation; repeatable
  --claude PATH          the claude program
  --json                 answer with one line of JSON
  --help                 print this

Exit codes: 0 done, 1 blocked, 2 wrong usage, 3 cannot go on, 4 stopped for now: start it again later,
130 interrupted.
END
}

fail() { # fail MESSAGE...: each message is a line
  printf 'loop.sh: %s\n' "$@" >&2
  exit 3
}

for word; do
  case $word in
    --help | -h) usage; exit 0 ;;
  esac
done
for program in "${orchestrate[@]}"; do
  [[ -e $program ]] || fail "$program is gone" "try: orchestrate launch, which writes this script anew"
done
[[ -d $folder ]] || fail "there is no run in $folder any more" "try: orchestrate launch in the folder of the project"
cd -- "$project"
exec "${orchestrate[@]}" loop "${options[@]}" "$@"
