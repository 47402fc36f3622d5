#!/bin/bash
# chatd under a real systemd: installs it by the README's own recipe and plays an operator's day.
#
# Run in a machine that may be thrown away, as root, where systemd is PID 1, in the folder of the
# checkout with the release binaries built. Prints PASS for each scene; stops at the first that fails,
# with the journal's tail.
set -Eeuo pipefail

source tests/systemd/stage.sh
# --- the README's recipe: the lines after "# " in its block marked systemd

recipe() { sed -n '/^```console systemd$/,/^```$/s/^# //p' README.md; }

scene 'systemd-analyze has nothing to say, and the exposure is at most 1.2'
install -m 755 target/release/chatd target/release/chatctl /usr/bin/
said=$(systemd-analyze verify systemd/chatd.service systemd/*.socket 2>&1) || fail "systemd-analyze verify: $said"
[[ -z $said ]] || fail "systemd-analyze verify: $said"
systemd-analyze security --offline=yes --threshold=12 systemd/chatd.service >"$stage/security.out" 2>&1
exposure=$(grep --only-matching 'exposure level.*: [0-9.]*' "$stage/security.out")
rm /usr/bin/chatd /usr/bin/chatctl
pass "$exposure"

scene 'the recipe of the README installs it, and start returns when it is ready'
recipe >"$stage/recipe"
[[ -s $stage/recipe ]] || fail 'there is no block marked systemd in README.md'
bash -euxo pipefail "$stage/recipe" >"$stage/recipe.out" 2>&1
must ActiveState active
[[ $(of StatusText) ]] || fail 'no STATUS='
listens $chat
listens $metrics
chatctl status >"$stage/status.out"
pass

scene 'what belongs to the daemon is closed to others'
[[ $(stat -c '%U:%G %a' /run/chatd) == 'chatd:chatd 750' ]]
[[ $(stat -c '%U:%G %a' /run/chatd/admin.sock) == 'chatd:chatd 660' ]]
[[ $(stat -c '%U:%G %a' /var/lib/chatd) == 'chatd:chatd 700' ]]
[[ -z $(find /var/lib/chatd -type f -perm /077) ]]
useradd --groups chatd member
useradd stranger
as() { setpriv --reuid "$1" --regid "$1" --init-groups --reset-env "${@:2}"; }
as member chatctl status >"$stage/member.out"
refuses as member chatctl shutdown
refuses as stranger chatctl status
must ActiveState active
pass

scene 'two people talk'
talk
pass

scene 'the metrics are there inside the sandbox'
curl --silent --fail --max-time 5 http://127.0.0.1:$metrics/metrics >"$stage/metrics.out"
for family in chatd_build_info process_resident_memory_bytes process_open_fds process_start_time_seconds; do
	grep --quiet "^$family" "$stage/metrics.out" || fail "$family is missing"
done
pass

scene 'reload of a bad file fails, says where, and changes nothing'
cp $config "$stage/good.toml"
before=$(cursor) pid=$(of MainPID)
printf '[log]\nlevle = "debug"\n' >$config
refuses systemctl reload chatd
within 5 journal_has "$before" "$config:2:1.*levle"
must ActiveState active
must MainPID "$pid"
talk
pass

scene 'reload of a good file succeeds and applies it'
printf '[log]\nlevel = "debug"\n' >$config
systemctl reload chatd
must MainPID "$pid"
chatctl show-config | grep 'log.level.*debug' >/dev/null
cp "$stage/good.toml" $config
systemctl reload chatd
pass

scene 'kill -9 leads to a restart'
kill -KILL "$pid"
within 10 is_of NRestarts 1
within 10 is_of ActiveState active
[[ $(of MainPID) != "$pid" ]]
talk
pass

scene 'systemctl kill -s KILL again and again: what was acknowledged is there, in one life of the numbers'
drop_in history-play '[Unit]' 'StartLimitIntervalSec=0' # no limit of starts, for this scene
for n in {1..10}; do
	chat-client send --server 127.0.0.1:$chat --username keeper --room kept "line $n"
	before=$(of MainPID)
	systemctl kill --signal=KILL chatd
	# In this order: between two questions the one that was killed may be found dead.
	another() { [[ $(of MainPID) != @(0|"$before") ]] && is_of ActiveState active; }
	within 10 another
done
ask() { # joins as this nick from a place of the room
	printf '%s\n' '{"type":"hello","version":1,"username":"'"$1"'","caps":[],"join":false}' \
		'{"type":"join","room":"kept","since":'"$2"'}' | nc -N -w 5 127.0.0.1 $chat
}
epoch=$(ask first '{"epoch":"none","seq":0}' | grep --only-matching '"epoch":"[^"]*"' | sed -n 1p | cut -d'"' -f4)
ask second '{"epoch":"'"$epoch"'","seq":0}' >"$stage/kept.out"
for n in {1..10}; do
	grep --quiet '"seq":'"$n"',.*"line '"$n"'"' "$stage/kept.out" || fail "line $n is lost: $(cat "$stage/kept.out")"
done
drop_out history-play
systemctl reset-failed chatd
pass

scene 'the journal has priorities, no colours, and one event in each line'
journalctl --unit=chatd --output=json --no-pager _COMM=chatd | python3 -c '
import json, re, sys
lines = [json.loads(line) for line in sys.stdin]
assert len(lines) > 3, lines
for line in lines:
    text = line["MESSAGE"]
    assert isinstance(text, str), f"not plain text: {line}"
    assert text.strip() and "\n" not in text and "\x1b" not in text, repr(text)
    assert not re.match(r"<\d>|\d{4}-\d\d-\d\d[T ]", text), f"a prefix or a second clock: {text!r}"
priorities = {line["PRIORITY"] for line in lines}
assert {"3", "6"} <= priorities or {"4", "6"} <= priorities, priorities
'
pass

scene 'stop drains: whoever is there reads the farewell'
before=$(cursor)
arrive carol '/nick carol'
arrive robot '{"type":"hello","version":1,"username":"robot"}'
within 5 chatctl_lists carol
within 5 hears robot '"type":"welcome"'
systemctl stop chatd
within 5 hears robot '"type":"bye"'
hears robot '"code":"server_shutdown"'
[[ $(tail -n 1 "$stage/robot.out") == *'"bye"'* ]] || fail 'bye is not the last line'
within 5 hears carol 'shutting down'
leave carol
leave robot
must ActiveState inactive
must Result success
must ExecMainStatus 0
[[ ! -e /run/chatd/admin.sock ]]
pass

scene 'a bad file at start is not tried again'
before=$(cursor)
printf '[log]\nlevle = "debug"\n' >$config
refuses systemctl start chatd
must ActiveState failed
must ExecMainStatus 78
must NRestarts 0
journal_has "$before" "$config:2:1.*levle"
cp "$stage/good.toml" $config
systemctl reset-failed chatd
pass

scene 'a crash loop ends, and the status says why'
before=$(cursor)
systemctl start chatd
crash() { # once more, unless systemd has given up
	is_of ActiveState failed && return
	local pid
	pid=$(of MainPID)
	((pid == 0)) || kill -KILL "$pid" 2>/dev/null || :
	return 1
}
within 30 crash
within 5 journal_has "$before" 'Start request repeated too quickly'
{ systemctl status chatd --no-pager || :; } >"$stage/crashed.out"
grep --quiet 'Active: failed' "$stage/crashed.out"
systemctl reset-failed chatd
systemctl start chatd
talk
pass

source tests/systemd/watchdog.sh
source tests/systemd/sockets.sh
source tests/systemd/restore.sh
source tests/systemd/drain.sh
source tests/systemd/package.sh
