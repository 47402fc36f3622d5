# shellcheck shell=bash
# A backup, a history that is damaged, and the way back: the commands of docs/operations.md, as they
# stand there.

handbook() { sed -n '/^```console '"$1"'$/,/^```$/s/^# //p' docs/operations.md; } # the commands of a block

types() { # BLOCK: all of its commands, which have to succeed
	handbook "$1" >"$stage/$1"
	[[ -s $stage/$1 ]] || fail "there is no block $1 in docs/operations.md"
	bash -euxo pipefail "$stage/$1" >"$stage/$1.out" 2>&1
}
tells() { chat-client send --server 127.0.0.1:$chat --username keeper "$1"; }

scene 'a damaged history is refused with what to do, and the way back of the handbook works'
tells 'before the backup'
types backup
tells 'after the backup'
systemctl stop chatd
before=$(cursor)
# The end of the file, past what every start reads first; and what the log would mend is brought in.
size=$(stat -c %s /var/lib/chatd/history.db)
dd if=/dev/urandom of=/var/lib/chatd/history.db bs=1 seek=4096 count=$((size - 4096)) conv=notrunc 2>"$stage/dd.out"
refuses systemctl start chatd
within 5 journal_has "$before" 'damaged.*put a backup in its place'
systemctl reset-failed chatd
systemctl stop chatd
types restore
must ActiveState active
hears restore 'before the backup'
hears restore 'history'
! hears restore 'after the backup' || fail 'that was said after the backup'
[[ $(stat -c '%U:%G %a' /var/lib/chatd/history.db) == 'chatd:chatd 600' ]]
tells 'life goes on'
chatctl history show lobby --limit 1 | grep 'life goes on' >/dev/null
rm -r /var/lib/chatd/aside /var/backups/chatd
pass
