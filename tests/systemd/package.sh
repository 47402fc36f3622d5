# shellcheck shell=bash
# The Debian package: installed, upgraded, removed, purged.

scene 'the package installs a running daemon'
systemctl disable --now chatd chatd.socket chatd-admin.socket chatd-metrics.socket >"$stage/disable.out" 2>&1
rm -rf /usr/bin/chat{d,ctl,-client} /usr/lib/systemd/system/chatd* /usr/lib/{sysusers,tmpfiles}.d/chatd.conf \
	/etc/chatd /var/lib/chatd /run/chatd
systemctl daemon-reload
packages=(target/package/first/*.deb) next=(target/package/next/*.deb)
dpkg --install "${packages[0]}" >"$stage/install.out" 2>&1
must ActiveState active
must UnitFileState enabled
chatctl version >"$stage/version.out"
grep --quiet "$(chatd --version | cut -d' ' -f2)" "$stage/version.out"
[[ $(chatd --version) =~ ^chatd\ [0-9.]+\ \(.+\)$ ]] || fail "no revision in $(chatd --version)"
[[ $(dpkg-query --show --showformat='${Conffiles}' chatd) == *"$config"* ]]
dpkg-query --listfiles chatd >"$stage/files.out"
for file in man/man1/{chatctl,chat-client}.1 man/man5/chatd.toml.5 man/man8/chatd.8 \
	bash-completion/completions/chatctl zsh/vendor-completions/_chatctl; do
	grep --quiet "/usr/share/$file" "$stage/files.out" || fail "the package lacks $file"
done
talk
pass "$(dpkg-query --show chatd)"

scene 'an upgrade keeps the configuration, and with a held socket refuses nobody'
printf '[log]\nlevel = "debug"\n' >$config
systemctl enable --now chatd.socket 2>"$stage/enable.out" || {
	# The port is the daemon's own until then.
	systemctl stop chatd
	systemctl start chatd.socket chatd
}
pid=$(of MainPID)
upgrade() { dpkg --install "${next[0]}" >"$stage/upgrade.out" 2>&1; }
knocks upgrade
[[ $(of MainPID) != "$pid" ]]
must ActiveState active
chatctl show-config | grep 'log.level.*debug' >/dev/null
talk
pass "$(cat "$stage/knock.out")"

scene 'a removal stops it, and a purge leaves nothing'
dpkg --remove chatd >"$stage/remove.out" 2>&1
must ActiveState inactive
[[ -e $config ]]
dpkg --purge chatd >"$stage/purge.out" 2>&1
for path in /etc/chatd /var/lib/chatd /run/chatd /usr/bin/chatd /usr/lib/systemd/system/chatd.service; do
	[[ ! -e $path ]] || fail "$path is still there"
done
pass
