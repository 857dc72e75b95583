"""The menu of `inv provision.*`: from a site file to the user data of its hosts."""

from __future__ import annotations

from typing import Any

from invoke import Collection, task

from fabfile.console.task import VERBOSE, run_as_task


@task(
    auto_shortflags=False,
    help={
        "out": "the folder for NAME.yaml of each host (default: provisioned)",
        "key": "the public key that may log in (default: ssh.key of the site file, with .pub)",
        "time-zone": "of all hosts; upgrades happen from 01:00 in it (default: Etc/UTC)",
        "mirror": "the Debian mirror (default: as in the image)",
        "security-mirror": "the mirror of security updates (default: the mirror with -security)",
        "swap-mb": "megabytes of swap; 0 is none (default: 1024)",
        "data-disk": "the device of the database's own disk (default: it has none)",
        **VERBOSE,
    },
)
@run_as_task
def render(
    c: Any,
    out: str = "provisioned",
    key: str = "",
    time_zone: str = "",
    mirror: str = "",
    security_mirror: str = "",
    swap_mb: str = "",
    data_disk: str = "",
    verbose: bool = False,
) -> int:
    """Write the cloud-init user data of each host.

    Give a new host its file as user data. It makes the ssh user, and sets host name, package
    source, time zone, swap and upgrades. No two hosts upgrade or restart in the same half hour.
    """
    from .render import write_user_data

    given = {
        "time_zone": time_zone,
        "mirror": mirror.rstrip("/"),
        "security_mirror": security_mirror.rstrip("/"),
        "swap_mb": swap_mb,
        "data_disk": data_disk,
    }
    write_user_data(out, key, {name: value for name, value in given.items() if value})
    return 0


namespace = Collection(render)
