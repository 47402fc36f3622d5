# shellcheck shell=bash
# Stopping, with somebody who never reads.

scene 'stop drains within its deadline although somebody never reads'
cp $config "$stage/good.toml"
printf '[shutdown]\ndeadline = "4s"\n[limits]\nmessage_rate = "unlimited"\n' >$config
systemctl restart chatd
mkfifo "$stage/deaf.in"
python3 tests/systemd/deaf.py <"$stage/deaf.in" >"$stage/deaf.out" 2>&1 &
deaf=$!
exec {fd}>"$stage/deaf.in"
within 30 hears deaf deaf
before=$EPOCHREALTIME
systemctl stop chatd &
stopping=$!
within 5 eval '[[ $(of StatusText) == "draining: 1 clients left, at most "* ]]'
chatctl status >"$stage/status.out"
grep --quiet '^phase[[:space:]]*draining' "$stage/status.out"
wait "$stopping"
took=$(((${EPOCHREALTIME/./} - ${before/./}) / 1000))
((took < 8000)) || fail "it took $took ms"
must Result success
must ExecMainStatus 0
exec {fd}>&-
wait "$deaf"
rm "$stage/deaf.in"
cp "$stage/good.toml" $config
systemctl start chatd
pass "$took ms"
