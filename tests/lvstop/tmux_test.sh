#!/bin/sh
# lvstop in a real terminal: tmux types keys, reads the screen, resizes it, suspends, and takes it away.
# usage: tmux_test.sh LVSTOP THIS_DIRECTORY
# Ends with 0, 1 (a step failed: the screen is printed), or 77 (skipped, and why).
set -u
lvstop=$1
corpus=$2/../corpus/30-two-net-router-rs-default-gw-not-director-one
command -v tmux >/dev/null || { echo "SKIPPED: tmux is not installed, so no terminal was tested"; exit 77; }
[ -d "$corpus" ] || { echo "missing $corpus"; exit 1; }
capture="-r $corpus/director-eth0.pcap.xz -r $corpus/director-eth1.pcap.xz"

dir=$(mktemp -d) || exit 1
export TMUX_TMPDIR="$dir"
unset TMUX NO_COLOR
export LC_ALL=C.UTF-8
t() { tmux -f /dev/null -L lvstop "$@"; }
finish() { t kill-server 2>/dev/null; rm -rf "$dir"; }
trap finish EXIT
screen() { t capture-pane -p -t lvstop; }
fail() { echo "FAILED: $1"; screen 2>/dev/null; exit 1; }
# Waits for a pattern on the screen; how long is bounded by tries, and only a failure takes that long.
see() {
  tries=0
  until screen | grep -q -- "$1"; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || fail "never saw: $1"
    sleep 0.1
  done
}
# Dead is dead, also while nobody has asked for its status: an orphan waits for that on whoever adopts it. What ends it within two
# seconds is an alarm of its own; a slow machine may take longer to show it.
gone() {
  tries=0
  while state=$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null) && [ -n "$state" ] && [ "$state" != Z ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || fail "$2: process $1 is still there after 30 s"
    sleep 0.1
  done
}
keys() { t send-keys -t lvstop "$@"; }
# A session that stays, so that the server does not end with the one under test.
t new-session -d -s keep -x 80 -y 24 || { echo "SKIPPED: tmux cannot start here"; exit 77; }
start() {
  t kill-session -t lvstop 2>/dev/null
  t new-session -d -s lvstop -x 120 -y 30 "env TERM=screen sh" || fail "tmux starts no session"
  keys "PS1='ready> '" Enter
  see 'ready>'
  keys "echo \$\$ > $dir/shell; $lvstop $capture; echo status=\$?" Enter
  see '\[1\]Overview'
  pid=$(pgrep -P "$(cat "$dir/shell")" -x lvstop) || fail "no lvstop below the shell"
}

start
see '10.1.1.2'
keys 2
see '^12--'
see '^LEGS'
keys Enter
see 'client.*director.*real server'
see '3 missing'
keys Escape
see '^LEGS'
keys '\'
keys 'legs:1234' Enter
see 'filter legs:1234'
keys Escape
see '^12--'
keys 5
see 'Capture:'
keys '?'
see 'Everywhere'
keys Escape
see 'Capture:'
keys 2
see '^12--'

# Sizes: each must end in a whole screen.
for size in '40 12' '200 50' '20 5' '1 1' '300 100' '72 24'; do
  set -- $size
  t resize-window -t lvstop -x "$1" -y "$2"
done
see '^12--'
t resize-window -t lvstop -x 40 -y 12
see '^12--'
see 'ERROR\|WARNING\|UNKNOWN'

# Suspended and resumed, with the shell's line discipline in order meanwhile.
keys C-z
see 'Stopped\|stopped\|ready>'
keys 'echo alive' Enter
see '^alive'
keys fg Enter
see '^12--'

keys q
see 'ready> *$'
keys 'echo after=$?' Enter
see 'after=0'
keys clear Enter
keys 'stty -a | tr " ;" "\n\n" | grep -qx -- -echo && echo echo-is-"off" || echo echo-is-"on"' Enter
see 'echo-is-on'

# SIGTERM: gone, and the terminal restored.
start
kill -TERM "$pid"
gone "$pid" SIGTERM
see 'status=143'
start
kill -HUP "$pid"
gone "$pid" SIGHUP

# The terminal taken away.
start
t kill-session -t lvstop
gone "$pid" "terminal closed"

# A terminal nobody knows, and none at all: text, and the verdict as status.
TERM=no-such-terminal "$lvstop" $capture --view connections </dev/null >"$dir/out" 2>"$dir/err"
status=$?
[ $status -eq 1 ] || [ $status -eq 2 ] || {
  cat "$dir/out" "$dir/err"
  echo "FAILED: without a terminal: status $status"
  exit 1
}
grep -q '^12--' "$dir/out" || { cat "$dir/out"; echo "FAILED: without a terminal: no table"; exit 1; }
echo "lvstop in tmux: all steps passed"
