# shellcheck shell=bash
# What the scenes share: the stage, what a scene asks, who is there.

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
# Whoever is read from is read to the end: with pipefail, a reader that has seen enough and goes makes the
# writer fail.
journal_has() { journal_since "$1" | grep --extended-regexp -e "$2" >/dev/null; }
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
chatctl_lists() { chatctl list-clients --format json | grep "\"$1\"" >/dev/null; }

# --- drop-ins

drop_in() { # NAME LINE...: into the unit, from the next start on
	mkdir -p /etc/systemd/system/chatd.service.d
	printf '%s\n' "${@:2}" >"/etc/systemd/system/chatd.service.d/$1.conf"
	systemctl daemon-reload
}
drop_out() { # NAME
	rm "/etc/systemd/system/chatd.service.d/$1.conf"
	systemctl daemon-reload
}
