#!/bin/sh
# The worker of the fault suite: says the same lines for its task in every attempt, and notes what it sees.
#   busy/TASK   locked while any process of an attempt of TASK lives, so that two attempts at once are noticed
#   doubled     an attempt that found it locked
#   begun       every attempt that was begun
mark=${ORCHESTRATE_ATTEMPT#*/}
task=${mark%/*}
exec 9>>"busy/$task"
flock -n -E 75 9
[ $? -eq 75 ] && echo "$mark" >>doubled # another code: flock itself was killed
cat >/dev/null
echo "$mark" >>begun
case $task in
*3 | *6)
  # A grandchild in a session of its own that does not want to end.
  setsid sh -c 'trap "" TERM INT HUP; sleep 300' >/dev/null 2>&1 &
  ;;
esac
sleep "${PAUSE_S:-0.04}"
line=0
while [ $line -lt 400 ]; do
  echo "$task line $line of a result that must arrive whole"
  line=$((line + 1))
  if [ $line -eq 200 ]; then sleep "${PAUSE_S:-0.04}"; fi
done
echo "end of $task"
