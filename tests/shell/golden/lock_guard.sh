grep -qxs 'run=20260102T030405-abcdef' /var/lib/runbook/lock || { echo 'the lock on this host is no longer held by this run' >&2; exit 73; }
