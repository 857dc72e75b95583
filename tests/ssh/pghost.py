"""A real PostgreSQL, and a stand-in for systemd, on the ssh host of the tests.

The stand-in runs the one unit of a migration or a seeding as a process, as root, and keeps its
result: no more than the steps ask of systemd.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import contextmanager

from sshhost import Host

from fabfile.engine.link import Link

SYSTEMCTL = r"""#!/bin/bash
# DIR holds, for the one unit: state, result, output, and how often it was started.
dir=/tmp/units file=/run/systemd/system/runbook-migrate.service
mkdir -p $dir
case $1 in
start)
    case $2 in runbook-migrate*) ;; *) echo "start $2" >>$dir/others; exit ;; esac
    echo started >>$dir/starts
    command=$(sed -n 's/^ExecStart=//p' $file)
    environment=$(sed -n 's/^EnvironmentFile=//p' $file)
    # As systemd: a missing place is made, and only the unit sees the copy there.
    binds=$(sed -n 's/^BindReadOnlyPaths=//p' $file | while IFS=: read -r copy place; do
        mkdir -p "$(dirname "$place")" && touch "$place"
        echo "mount --bind $copy $place;"
    done)
    echo running >$dir/state
    : >$dir/output
    setsid unshare --mount bash -c "$binds set -a; [ -z '$environment' ] || . '$environment'; set +a
        if $command; then echo exited >$dir/state; echo success >$dir/result
        else echo exit-code >$dir/result; echo failed >$dir/state; fi" \
        >>$dir/output 2>&1 </dev/null &
    ;;
stop) case $2 in runbook-migrate*) rm -f $dir/state ;; *) echo "stop $2" >>$dir/others ;; esac ;;
show)
    case "$*" in
    *LoadState*)
        state=$(cat $dir/state 2>/dev/null)
        [ -n "$state" ] && echo LoadState=loaded || echo LoadState=not-found
        echo "SubState=${state:-dead}"
        echo "Result=$(cat $dir/result 2>/dev/null || echo success)"
        ;;
    *Description*) sed -n 's/^Description=//p' $file 2>/dev/null ;;
    *Result*) cat $dir/result ;;
    esac
    ;;
esac
exit 0
"""

JOURNALCTL = (
    "#!/bin/sh\nn=$(echo \"$*\" | sed 's/.*-n \\([0-9]*\\).*/\\1/')\ntail -n $n /tmp/units/output\n"
)

START = r"""set -e
install -d -o postgres -g postgres -m 2775 /run/postgresql /tmp/pg
install -d /run/systemd/system
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
cd /tmp
runuser -u postgres -- "$bin/initdb" -A trust -U postgres -N -E UTF8 --locale=C.UTF-8 \
    -D /tmp/pg/data >/dev/null
runuser -u postgres -- "$bin/pg_ctl" -s -w -l /tmp/pg/log -D /tmp/pg/data \
    -o "-c fsync=off -c listen_addresses=''" start
"""

STOP = r"""bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1); cd /tmp
runuser -u postgres -- "$bin/pg_ctl" -s -m immediate -D /tmp/pg/data stop
rm -rf /tmp/pg /tmp/units /run/postgresql /run/systemd/system/runbook-* /srv/app
rm -f /usr/local/bin/systemctl /usr/local/bin/journalctl
"""


def has_server() -> bool:
    """Whether this machine has PostgreSQL's programs."""
    return bool(glob.glob("/usr/lib/postgresql/*/bin/initdb"))


@contextmanager
def running_postgres(host: Host, link: Link) -> Iterator[None]:
    """PostgreSQL on the host, behind its usual socket, and the stand-in."""
    host.install("/usr/local/bin/systemctl", SYSTEMCTL)
    host.install("/usr/local/bin/journalctl", JOURNALCTL)
    link.run(START)
    try:
        yield
    finally:
        link.run(STOP)
