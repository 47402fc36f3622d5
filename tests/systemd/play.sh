#!/bin/bash
# chatd under a real systemd: installs it by the README's own recipe and plays an operator's day.
#
# Run in a machine that may be thrown away, as root, where systemd is PID 1, in the folder of the
# checkout with the release binaries built. Prints PASS for each scene; stops at the first that fails,
# with the journal's tail.
set -Eeuo pipefail

chat=7687 metrics=9687 config=/etc/chatd/chatd.toml
scene='the stage' stage=$(mktemp -d)

fail() {
	trap - ERR
	printf 'FAIL %s: %s\n' "$scene" "$*"
	tail -n 20 "$stage"/*.out || :
	systemctl status chatd --no-pager --lines=0 || :
	journalctl --unit=chatd --no-pager --lines=60 || :
	exit 1
} >&2
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR

scene() { scene=$*; }
pass() { printf 'PASS %s\n' "$scene${1:+ ($1)}"; }

within() { # SECONDS COMMAND...: asks again until it is true
	local end=$((SECONDS + $1))
	until "${@:2}"; do
		((SECONDS < end)) || fail "not within $1 s: ${*:2}"
		sleep 0.05
	done
}

refuses() { # COMMAND...: it has to fail
	if "$@" >"$stage/refused.out" 2>&1; then fail "this should have failed: $*"; fi
}

# --- what a scene asks

of() { systemctl show --value --property="$1" chatd; }
is_of() { [[ $(of "$1") == "$2" ]]; }
must() { is_of "$@" || fail "$1 is '$(of "$1")' and not '$2'"; }
cursor() { journalctl --quiet --lines=0 --show-cursor | sed -n 's/^-- cursor: //p'; }
journal_since() { journalctl --unit=chatd --no-pager --output=cat --after-cursor="$1"; }
journal_has() { journal_since "$1" | grep --quiet --extended-regexp -e "$2"; }
hears() { grep --quiet --fixed-strings -e "$2" "$stage/$1.out"; }
listens() { [[ -n $(ss --no-header --listening --tcp --numeric "sport = :$1") ]]; }

# --- who is there

declare -A pipe peer
arrive() { # NAME FIRST-LINE: somebody with netcat
	mkfifo "$stage/$1.in"
	nc 127.0.0.1 $chat <"$stage/$1.in" >"$stage/$1.out" 2>&1 &
	peer[$1]=$!
	exec {fd}>"$stage/$1.in"
	pipe[$1]=$fd
	say "$1" "$2"
}
say() { printf '%s\n' "$2" >&"${pipe[$1]}"; }
leave() {
	local fd=${pipe[$1]}
	exec {fd}>&-
	kill "${peer[$1]}" 2>/dev/null || :
	wait "${peer[$1]}" 2>/dev/null || :
	rm -f "$stage/$1".*
	unset "pipe[$1]" "peer[$1]"
}
talk() { # two people hear each other
	arrive alice '/nick alice'
	within 5 chatctl_lists alice
	arrive bob '/nick bob'
	within 5 chatctl_lists bob
	say bob 'hello from bob'
	within 5 hears alice '<bob> hello from bob'
	say alice 'hello from alice'
	within 5 hears bob '<alice> hello from alice'
	leave alice
	leave bob
}
chatctl_lists() { chatctl list-clients --format json | grep --quiet "\"$1\""; }

# --- the README's recipe: the lines after "# " in its block marked systemd

recipe() { sed -n '/^```console systemd$/,/^```$/s/^# //p' README.md; }

scene 'systemd-analyze has nothing to say, and the exposure is at most 1.3'
install -m 755 target/release/chatd target/release/chatctl /usr/bin/
said=$(systemd-analyze verify systemd/chatd.service 2>&1) || fail "systemd-analyze verify: $said"
[[ -z $said ]] || fail "systemd-analyze verify: $said"
systemd-analyze security --offline=yes --threshold=13 systemd/chatd.service >"$stage/security.out" 2>&1
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
chatctl show-config | grep --quiet 'log.level.*debug'
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
