# shellcheck shell=bash
# Sockets that systemd holds, the sealed profile, and a secret that systemd hands over.

sockets='chatd.socket chatd-admin.socket chatd-metrics.socket'

knocks() { # COMMAND...: while somebody comes again and again
	mkfifo "$stage/knock.in"
	python3 tests/systemd/knock.py <"$stage/knock.in" >"$stage/knock.out" 2>&1 &
	local knocker=$! fd
	exec {fd}>"$stage/knock.in"
	sleep 0.5
	"$@"
	sleep 0.5
	exec {fd}>&-
	wait "$knocker"
	rm "$stage/knock.in"
	hears knock '"refused": 0, "cut": 0' || fail "$(cat "$stage/knock.out")"
}

scene 'with its sockets held by systemd a restart refuses nobody'
install -m 644 systemd/*.socket /usr/lib/systemd/system/
install -m 644 systemd/chatd.tmpfiles.conf /usr/lib/tmpfiles.d/chatd.conf
systemctl daemon-reload
systemctl stop chatd
systemd-tmpfiles --create chatd.conf
# shellcheck disable=SC2086
systemctl start $sockets
must ActiveState inactive
# The first who comes starts it: here an operator.
chatctl status >"$stage/status.out"
must ActiveState active
[[ $(stat -c '%U:%G %a' /run/chatd) == 'chatd:chatd 750' ]]
[[ $(stat -c '%U:%G %a' /run/chatd/admin.sock) == 'chatd:chatd 660' ]]
twice() {
	systemctl restart chatd
	chatctl status >"$stage/status.out"
	systemctl restart chatd
}
knocks twice
talk
curl --silent --fail --max-time 5 http://127.0.0.1:$metrics/readyz >"$stage/ready.out"
[[ -S /run/chatd/admin.sock ]]
pass "$(cat "$stage/knock.out")"

scene 'the sealed profile has no network, an exposure of at most 0.5, and its watchdog is fed'
install -D -m 644 systemd/sealed.conf /etc/systemd/system/chatd.service.d/sealed.conf
drop_in watchdog '[Service]' 'WatchdogSec=3s'
systemctl restart chatd
systemd-analyze security --threshold=5 chatd.service >"$stage/security.out" 2>&1 ||
	fail "$(tail -n 1 "$stage/security.out")"
exposure=$(grep --only-matching 'exposure level.*: [0-9.]*' "$stage/security.out")
within 20 fed
talk
knocks systemctl restart chatd
# It goes on being fed: nothing restarts it by itself.
must NRestarts 0
drop_out sealed
drop_out watchdog
pass "$exposure"

scene 'the admin token as a credential'
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >/etc/chatd/handed.token
chmod 600 /etc/chatd/handed.token
drop_in token '[Service]' 'LoadCredential=admin-token:/etc/chatd/handed.token'
systemctl restart chatd
chatctl --addr 127.0.0.1:7688 --token-file /etc/chatd/handed.token status >"$stage/status.out"
refuses chatctl --addr 127.0.0.1:7688 --token-file /var/lib/chatd/admin.token status
drop_out token
rm /etc/chatd/handed.token
# shellcheck disable=SC2086
systemctl stop $sockets chatd
systemctl start chatd
pass
