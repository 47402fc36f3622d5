# shellcheck shell=bash
# The watchdog: what it proves, and what happens when it cannot.

scene 'one worker stands still: the status still answers, the log names the probe, the service comes back'
drop_in watchdog '[Service]' 'WatchdogSec=6s' 'Environment=CHATD__SERVER__WORKERS=2'
systemctl restart chatd
fed() { [[ $(curl --silent http://127.0.0.1:$metrics/metrics | sed -n 's/^chatd_watchdog_probes_total{result="ok"} //p') -ge 4 ]]; }
within 20 fed
pid=$(of MainPID) restarts=$(of NRestarts)
python3 tests/systemd/hold.py "$pid" lane-1 >"$stage/hold.out" 2>&1 &
holder=$!
within 5 hears hold held
before=$EPOCHREALTIME
chatctl status >"$stage/status.out"
took=$(((${EPOCHREALTIME/./} - ${before/./}) / 1000))
grep --quiet '^phase[[:space:]]*ready' "$stage/status.out"
comes_back() { [[ $(of NRestarts) -gt $restarts && $(of ActiveState) == active ]]; }
within 30 comes_back
wait "$holder"
[[ $(of MainPID) != "$pid" ]]
last=$(journalctl --unit=chatd _PID="$pid" --no-pager --output=cat --lines=1)
[[ $last == *watchdog.failed*lane=1*step=hello* ]] || fail "the last words were: $last"
journalctl --unit=chatd --no-pager --output=cat | grep 'Watchdog timeout' >/dev/null
talk
drop_out watchdog
systemctl restart chatd
pass "status in $took ms"

scene 'the status line says how many there are'
within 15 eval '[[ $(of StatusText) == "ready: "*" clients, "*" messages/s, "*" behind" ]]'
pass "$(of StatusText)"
