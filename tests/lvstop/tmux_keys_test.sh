#!/bin/sh
# Every key of lvstop typed in a real terminal, as a person does, and what it does read off the screen.
# usage: tmux_keys_test.sh LVSTOP THIS_DIRECTORY
# Ends with 0, 1 (a step failed: the screen is printed), or 77 (skipped, and why).
set -u
lvstop=$1
corpus=$2/../corpus/30-two-net-router-rs-default-gw-not-director-one
command -v tmux >/dev/null || { echo "SKIPPED: tmux is not installed, so no key was typed"; exit 77; }
[ -d "$corpus" ] || { echo "missing $corpus"; exit 1; }
capture="-r $corpus/director-eth0.pcap.xz -r $corpus/director-eth1.pcap.xz"

dir=$(mktemp -d) || exit 1
export TMUX_TMPDIR="$dir"
# Started by root, lvstop saves as somebody who may write less.
saved=$dir/saved
chmod 755 "$dir"
mkdir -m 777 "$saved"
unset TMUX NO_COLOR
export LC_ALL=C.UTF-8
t() { tmux -f /dev/null -L keys "$@"; }
finish() { t kill-server 2>/dev/null; rm -rf "$dir"; }
trap finish EXIT
screen() { t capture-pane -p -t lvstop; }
fail() { echo "FAILED: $1"; screen 2>/dev/null; exit 1; }
# Waits for the thing itself; only a failure takes a minute. What is waited for must not have been there before the key: what it
# did not bring about does not tell that it was taken.
see() {
  tries=0
  until screen | grep -q -- "$1"; do
    tries=$((tries + 1))
    [ $tries -lt ${TRIES:-600} ] || fail "never saw: $1"
    sleep 0.1
  done
}
see_no_more() {
  tries=0
  while screen | grep -q -- "$1"; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || fail "still there: $1"
    sleep 0.1
  done
}
keys() { t send-keys -t lvstop "$@"; }
raw() { t send-keys -t lvstop -l "$1"; }
# A key that follows too soon makes Alt with it of Escape, as terminals tell Alt: so what Escape does is always seen first.
escape_to() { keys Escape && see "$1"; }
escape_from() { keys Escape && see_no_more "$1"; }
t new-session -d -s keep -x 80 -y 24 || { echo "SKIPPED: tmux cannot start here"; exit 77; }
start() { # ENVIRONMENT OPTIONS
  t kill-session -t lvstop 2>/dev/null
  t new-session -d -s lvstop -x 160 -y 36 -c "$dir" "env TERM=screen $1 sh" || fail "tmux starts no session"
  keys "PS1='ready> '" Enter
  see 'ready>'
  keys "$lvstop $capture $2; echo status=\$?" Enter
  see 'Overview'
}

# Views, forward, backward and by number.
start '' ''
see '\[1\]Overview'
see 'drops not told by files'
see 'read to its end'
for view in '2\]Connections' '3\]Findings' '4\]Real servers' '5\]Host and capture' '1\]Overview'; do
  keys Tab
  see "\\[$view"
done
keys BTab
see '\[5\]Host'
see 'Capture: director'
keys 1
see '\[1\]Overview'

# Overview: fold, open, back; a key of another view says that it does nothing here.
see '10\.1\.1\.2'
keys Space
see_no_more '10\.1\.1\.2:80'
keys Space
see '10\.1\.1\.2'
keys t
see 't does nothing here'
keys j
keys j
keys Enter
see 'filter .*rip:10\.1\.1\.3:80'
see '^12--'
escape_to '\[1\]Overview'
see_no_more 'filter [!a-z]*:'
keys +
see 'a new picture every 500ms'
keys -
see 'a new picture every 1.0s'
keys q
see 'status=0'

# A replay so slow that no machine comes to its end before it is asked to. Its end is sought, not waited for, and its second
# playing is as slow: that it goes on must be there to be seen, and until it has ended the lists are not whole, so that the keys
# below would find nothing to work on.
start '' '--play --speed 0.03125'
see 'PLAYING'
keys P
see 'PAUSED'
keys .
tries=0
until screen | grep -q 'read to its end'; do
  tries=$((tries + 1))
  [ $tries -lt 600 ] || fail "no } comes to the end of the capture"
  keys '}'
  sleep 0.1
done
keys .
see 'the end: P plays it from the beginning'
keys P
see 'PLAYING'
keys P
see 'PAUSED'
for speed in 0.06 0.12 0.25 0.50 1 2; do
  keys ]
  see " ${speed}x "
done
keys [
see ' 1x '
keys P
see 'read to its end'

# Connections: order, columns, tags, problems, follow, search, filter, freeze, names.
keys 2
see '^12--'
keys s
see 'Order by'
keys j
keys j
keys Enter
see 'order: client'
keys F6
see 'Order by'
escape_from 'Order by'
keys I
see 'order: client, inverted'
keys '>'
see 'order: VIP'
keys '<'
see 'order: client'
keys I
keys t
see '\[x\] VIP'
escape_from '\[x\] VIP'
keys Space
see '1 tagged'
keys U
see_no_more 'tagged'
keys a
see 'problems only'
see_no_more '^1234'
keys a
see '^1234'
keys f
see 'following the newest'
keys f
see_no_more 'following'
keys g
keys /
raw '41842'
keys Enter
keys Enter
see 'legs 1234 .*172\.16\.5\.254:41842'
escape_to 'order: client'
keys /
raw 'no such thing'
keys Enter
see 'is not in this list'
keys n
see 'is not in this list'
keys N
see 'is not in this list'
keys F4
raw 'ms>>'
see 'column '
keys C-u
raw '!legs:1234'
see '2/7'
keys Enter
see '2 of 7'
escape_from '2 of 7'
keys '\'
raw 'legs:1234'
see '5/7'
escape_from 'filter [!a-z]*:'
keys p
see 'FROZEN'
keys Z
see_no_more 'FROZEN'
keys d
see 'names, as the resolver answers'
keys d
see 'numbers'

# Ladder: times, and the pages behind it.
keys g
keys Home
keys '\'
raw 'legs:12--'
keys Enter
see 'filter legs:12--'
keys Enter
see '3 missing'
keys d
screen | grep -q '+[0-9.]*us' && see_no_more '+[0-9.]*us'
keys e
see 'LVS101'
see 'explain'
see 'more: PgDn'
keys G
see_no_more 'more: PgDn'
keys Home
see 'more: PgDn'
keys End
see_no_more 'more: PgDn'
keys PPage
see 'more: PgDn'
tries=0
until screen | grep -q '  end *$'; do
  tries=$((tries + 1))
  [ $tries -lt 600 ] || fail "PgDn never comes to the end of a page"
  keys NPage
  sleep 0.1
done
keys g
see 'more: PgDn'
escape_to '3 missing'
keys y
see 'ip route replace default via'
escape_to '3 missing'
escape_to 'order: client'
escape_from 'filter [!a-z]*:'

# Findings, by their key and by braces.
keys '}'
see '\[3\]Findings'
keys Enter
see 'Enter: its connections'
keys Enter
see 'filter code:LVS101'
escape_to '\[3\]Findings'
keys '{'
see '\[3\]Findings'
keys e
see 'explain'
escape_to '^About '

# Saving: the menu offers what there is, and writes it.
keys 2
see 'order: client'
keys Space
see '1 tagged'
keys F2
see 'packets of the tagged, pcapng (1 connection)'
keys Enter
see 'file: .*pcapng'
keys C-u
raw "$saved/tagged.pcapng"
keys Enter
see_no_more 'file: '
see 'tagged.pcapng'
[ "$(od -An -N4 -tx1 "$saved/tagged.pcapng" | tr -d ' ')" = 0a0d0d0a ] || fail "no pcapng was saved"
keys w
see 'this view, text'
keys Up
keys Enter
see 'file: .*txt'
keys C-u
raw "$saved/view.txt"
keys Enter
see_no_more 'file: '
see 'view.txt'
grep -q '^12--' "$saved/view.txt" || fail "no text was saved"
keys w
see 'all listed, NDJSON'
escape_from 'all listed'

# Help in each form, a page of its own, and closed by the same key.
for key in '?' h F1; do
  keys "$key"
  see 'Everywhere'
  keys "$key"
  see_no_more 'Everywhere'
done
keys C-l
see '^12--'

# The mouse: the tab of a view, then of another.
click() { raw "$(printf '\033[M %b%b\033[M#%b%b' "$1" "$2" "$1" "$2")"; } # column and line, each plus 33, as octal
click '\116' '\042'
see '\[4\]Real servers'
click '\064' '\042'
see '\[2\]Connections'

keys F10
see 'status=0'

# C-c is an end like q, and the terminal is in order.
start '' ''
keys C-c
see 'status=[0-9]'
keys 'stty -a | tr " ;" "\n\n" | grep -qx -- -echo && echo echo-is-"off" || echo echo-is-"on"' Enter
see 'echo-is-on'

# No colour: not one colour in what the terminal got, and the words are the same.
start 'NO_COLOR=1' ''
keys 2
see '^12--'
see 'LVS101'
t capture-pane -e -p -t lvstop >"$dir/plain"
grep -q "$(printf '\033')\[[0-9;]*3[0-7]m" "$dir/plain" && fail "colours in spite of NO_COLOR"
start '' '--color always'
see 'ERROR'
t capture-pane -e -p -t lvstop | grep -q "$(printf '\033')\[[0-9;]*3[0-7]m" || fail "no colours where there should be some"

# A locale without UTF-8, and old terminals: only ASCII.
for environment in 'LC_ALL=C' 'LC_ALL=C TERM=vt100' 'LC_ALL=C TERM=linux'; do
  start "$environment" ''
  see '10\.1\.1\.3'
  keys 2
  see '^12--'
  keys Enter
  see '3 missing'
  screen | LC_ALL=C grep -q '[^ -~]' && fail "$environment: not ASCII"
done

# 40 by 12: every view and page can be opened and left.
start '' ''
t resize-window -t lvstop -x 40 -y 12
keys 2
see '^12--'
keys Enter
see 'legs 12--'
escape_from 'legs 12--'
for view in 1 3 4 5; do
  keys $view
  see "\\[$view\\]"
  see 'ERROR'
  keys '?'
  see 'This view\|Everywhere'
  escape_from 'This view\|Everywhere'
done
keys q
see 'status=0'
echo "lvstop in tmux: every key did what it must"
