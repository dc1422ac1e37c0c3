#!/usr/bin/env bash
# Runs the plan of one project from a terminal, with GNU parallel as the engine: `run.sh --help` says how.
#
# `orchestrate feed` prints the id of a task the moment it may start and a slot is free, GNU parallel starts a process
# for each line, and that process, `orchestrate exec`, runs the task and records what became of it. So this script may
# be ended at any moment and started again. It was written by `orchestrate launch`; change it by calling that again.
# No text of the plan is in it.
# shellcheck disable=SC2016 # what stands in single quotes is meant as it is
set -euo pipefail

project='/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀
rm -rf ~'
folder='/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀
rm -rf ~/.orchestrator'
jobs=8
oldest_parallel=20180822
unblocked_parallel=20211022 # older ones start nothing until one line for each slot is in

orchestrate=('/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀
rm -rf ~/.venv/bin/python' '/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀
rm -rf ~/orchestrate.py')
options=(--dir '/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀
rm -rf ~/.orchestrator' --executor command --command 'agent '"'"'a b'"'"' "c" \ ~ * ü
{% raw %} $(touch pwned)' --scale 0.5)

# What GNU parallel runs for each line of the feed: the id of a task, or - to do nothing.
# shellcheck disable=SC2317 # GNU parallel calls it
run_task() {
  [[ $1 != - ]] || return 0
  unset -f run_task
  unset "${!PARALLEL_@}"
  exec '/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀
rm -rf ~/.venv/bin/python' '/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀
rm -rf ~/orchestrate.py' exec --fed --jobs "$task_jobs" --dir '/home/jörg/-it'"'"'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \ ; & 🚀
rm -rf ~/.orchestrator' --executor command --command 'agent '"'"'a b'"'"' "c" \ ~ * ü
{% raw %} $(touch pwned)' --scale 0.5 "$1" >/dev/null
}
export -f run_task
export task_jobs # from which follows what is set aside for a task

# What GNU parallel runs on another machine, with task and attempt as $1 and $2; a POSIX shell is all it needs. The
# command and its arguments are lines of a file, so that none of them meets a shell. Files that tasks before it made go
# into the project first, its own outputs come back with what it printed, and the exit file comes last.
remote_task='
name=$1.$2; here=$PWD; mask=$(umask); umask 077; unset CDPATH;
mkdir -p "$here/$name.out/files" || exit 1;
exec 3<"$here/$name.in/job" || exit 1;
IFS= read -r attempt <&3; IFS= read -r project <&3;
set --; while IFS= read -r word <&3; do set -- "$@" "$word"; done; exec 3<&-;
code=126; exec 2>"$here/$name.out/stderr";
cd -- "$HOME" && cd -- "$project" && { [ ! -e "$here/$name.in/files" ] || rsync -rlc -- "$here/$name.in/files/" ./; } &&
{ (umask "$mask"; ORCHESTRATE_ATTEMPT=$attempt "$@" <"$here/$name.in/prompt.md" >"$here/$name.out/stdout"); code=$?;
while IFS= read -r file; do
if [ -e "./$file" ]; then
mkdir -p "$here/$name.out/files/$(dirname "$file")" && cp -Rp "./$file" "$here/$name.out/files/$file";
fi; done <"$here/$name.in/outputs"; };
echo "$code" >"$here/$name.code" && mv "$here/$name.code" "$here/$name.exit"
'

usage() {
  cat <<END
Usage: run.sh [OPTIONS]

Runs the plan in this project with GNU parallel and merges the results. Started again, it goes on where it stopped.

  --jobs N          tasks at a time (now $jobs); with --hosts: for each host that gives no number
  --by-stage        start nothing of a stage before all of the stage before it has ended
  --hosts FILE      run on the machines that FILE names, one a line: 4/build-1, 2/anna@build-2:2222
                    (tasks at a time, a slash, the host as ssh knows it; "ssh" and its options may stand before it)
  --workdir FOLDER  with --hosts: where the project is there, from their home; default the same path as here
  --no-merge        leave out the check of the results and their merging at the end
  --dry-run         say what would be run, and in which order, and run nothing
  --help            print this

With --hosts each machine needs ssh access with a known key, rsync, perl, the agent's program and the project. What
tasks named in \`outputs\` goes to the tasks that depend on them; results and \`outputs\` come back, and other changes
that a task makes there stay there.

Exit codes: 0 done, 1 tasks failed or gaps in the result, 2 wrong usage, 3 cannot go on, 4 stopped for now: start it
again later, 130 interrupted.
END
}

say() { printf 'run.sh: %s\n' "$*" >&2; }

fail() { # fail CODE MESSAGE...: each message is a line
  local code=$1 message
  shift
  for message; do say "$message"; done
  exit "$code"
}

value_of() { # value_of OPTION COUNT VALUE: the value of an option that must have one
  (($2 > 1)) || fail 2 "$1 needs a value" "try: run.sh --help"
  printf '%s' "$3"
}

hosts='' workdir=$project merge=yes dry_run='' by_stage=''
while (($#)); do
  case $1 in
    --jobs=* | --hosts=* | --workdir=*)
      set -- "${1%%=*}" "${1#*=}" "${@:2}"
      continue
      ;;
    --jobs) jobs=$(value_of "$1" $# "${2-}"); shift ;;
    --hosts) hosts=$(value_of "$1" $# "${2-}"); shift ;;
    --workdir) workdir=$(value_of "$1" $# "${2-}"); shift ;;
    --by-stage) by_stage=yes ;;
    --no-merge) merge='' ;;
    --dry-run) dry_run=yes ;;
    --help | -h) usage; exit 0 ;;
    *) fail 2 "there is no option $1" "try: run.sh --help" ;;
  esac
  shift
done
[[ $jobs =~ ^[1-9][0-9]{0,3}$ ]] || fail 2 "--jobs is '$jobs', expected a number from 1 to 9999"
task_jobs=$jobs
if [[ -n $hosts ]]; then
  [[ -f $hosts ]] || fail 3 "there is no file $hosts" "try: a file with a line for each machine, such as 4/build-1"
  hosts=$(cd -- "$(dirname -- "$hosts")" && pwd)/$(basename -- "$hosts")
fi

# --- what it needs ---------------------------------------------------------------------------------

need() { # need PROGRAM PACKAGE_OF_APT PACKAGE_OF_DNF PACKAGE_OF_BREW
  command -v "$1" >/dev/null 2>&1 ||
    fail 3 "$1 is missing" "try: sudo apt install $2 | sudo dnf install $3 | brew install $4"
}

need mkfifo coreutils coreutils coreutils
need parallel parallel parallel parallel
version=$(parallel --version 2>/dev/null </dev/null || true)
[[ $version =~ ^GNU\ parallel\ ([0-9]{8}) ]] ||
  fail 3 "the program parallel that is installed is not GNU parallel (moreutils has another one)" \
    "try: sudo apt install parallel | sudo dnf install parallel | brew install parallel"
version=${BASH_REMATCH[1]}
((version >= oldest_parallel)) ||
  fail 3 "GNU parallel $version is too old, expected $oldest_parallel or newer" \
    "try: sudo apt install parallel | sudo dnf install parallel | brew upgrade parallel"
for program in "${orchestrate[@]}"; do
  [[ -e $program ]] || fail 3 "$program is gone" "try: orchestrate launch, which writes this script anew"
done
[[ -d $folder ]] || fail 3 "there is no run in $folder any more" "try: orchestrate launch in the folder of the project"
if [[ -n $hosts ]]; then
  need ssh openssh-client openssh-clients openssh
  need rsync rsync rsync rsync
fi
cd -- "$project"

if [[ -n $dry_run ]]; then
  printf 'Would run with GNU parallel %s, %s at a time, in this order:\n' "$version" "$jobs"
  "${orchestrate[@]}" feed --dry-run --jobs "$jobs" "${options[@]}"
  if [[ -n $hosts ]]; then
    printf 'On the machines of %s, as task and attempt, in %s.\n' "$hosts" "$workdir"
  else
    printf 'Each as: %s\n' "$(printf '%q ' "${orchestrate[@]}" exec --fed --jobs "$jobs" "${options[@]}")ID"
  fi
  exit 0
fi

# --- the run ---------------------------------------------------------------------------------------

work=$(mktemp -d "${TMPDIR:-/tmp}/orchestrate.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
mkfifo "$work/lines" "$work/tie"
feed='' engine='' interrupted='' is_orphaned=''
newline=$'\n'

# shellcheck disable=SC2317 # a signal calls it
stop() { # the feed ends every worker, puts its task back and then ends itself; where it was killed, another one does
  trap '' INT TERM HUP
  interrupted=yes
  if [[ -n $feed ]]; then
    kill -TERM "$feed" 2>/dev/null || true
  elif [[ -n $is_orphaned ]]; then
    "${orchestrate[@]}" feed --tied "${options[@]}" </dev/null >/dev/null || true
  fi
}
trap stop INT TERM HUP

wait_for() { # wait_for PID: until that process has ended, whatever signal comes meanwhile; its exit code is in `code`
  while :; do
    wait "$1" && code=0 || code=$?
    kill -0 "$1" 2>/dev/null || return 0
  done
}

noop=- noops=$jobs
feeding=(feed --tied --jobs "$jobs")
if [[ -n $hosts ]]; then
  slots=$("${orchestrate[@]}" feed --prepare --jobs "$jobs" --hosts "$hosts" --workdir "$workdir" "${options[@]}")
  noop='- -' noops=0
  ((version >= unblocked_parallel)) || noops=$slots
  feeding+=(--hosts "$hosts" --workdir "$workdir" --lines-before "$noops")
fi
[[ -z $by_stage ]] || feeding+=(--by-stage)
[[ -z $interrupted ]] || exit 130

# The feed reads from the tie until this script is gone, be it killed: then the run is ended too. Each of the two has a
# process group of its own, so that Ctrl-C reaches this script alone.
exec 9<>"$work/tie"
set -m
(
  for ((line = 0; line < noops; line++)); do echo "$noop"; done
  exec "${orchestrate[@]}" "${feeding[@]}" "${options[@]}"
) <"$work/tie" >"$work/lines" 9>&- &
feed=$!
if [[ -z $hosts ]]; then
  PARALLEL_SHELL=$BASH parallel --plain --will-cite --no-run-if-empty --ungroup --jobs "$jobs" \
    run_task '{}' <"$work/lines" 9>&- &
else
  ln -s "$folder/remote/orchestrate-ssh" "$work/orchestrate-ssh"
  (
    cd -- "$folder/remote"
    export PATH="$work:$PATH" ORCHESTRATE_REMOTE="$folder/remote" PARALLEL_SHELL=/bin/sh
    mkdir -p -- -.-.in
    printf '\n.\ntrue\n' >./-.-.in/job
    : >./-.-.in/prompt.md
    : >./-.-.in/outputs
    exec parallel --plain --will-cite --no-run-if-empty --ungroup --colsep ' ' --jobs 100% --sshdelay 0.1 \
      --ssh orchestrate-ssh --sshloginfile sshlogins --workdir ... --cleanup \
      --transferfile '{1}.{2}.in' --return '{1}.{2}.out' --return '{1}.{2}.exit' \
      "sh -c '${remote_task//$newline/ }' orchestrate-task {1} {2}" 2>>"$folder/remote/parallel.log"
  ) <"$work/lines" 9>&- &
fi
engine=$!
set +m
[[ -z $interrupted ]] || kill -TERM "$feed" 2>/dev/null || true

wait_for "$feed"
result=$code feed=''
exec 9>&-
case $result in
  0 | 1 | 2 | 3 | 4 | 130) ;;
  *)
    if [[ -z $hosts ]]; then
      is_orphaned=yes
      say "the feed was killed: waiting for the tasks under way; start it again then"
    else # nobody is left to judge what they bring
      say "the feed was killed: ending the tasks under way; start it again"
      kill -TERM "$engine" 2>/dev/null || true
    fi
    result=4
    ;;
esac
wait_for "$engine"
trap - INT TERM HUP
[[ -z $interrupted ]] || result=130

# --- the end ---------------------------------------------------------------------------------------

if [[ -n $merge ]] && ((result <= 1)); then
  "${orchestrate[@]}" check --dir "$folder" || result=1
  "${orchestrate[@]}" merge --dir "$folder" || result=1
fi
((result == 2 || result == 3)) || "${orchestrate[@]}" list --agents --dir "$folder"
exit "$result"
