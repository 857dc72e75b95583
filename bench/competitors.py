"""The others that keep 20 things right on the lab's two app nodes: installed, given their
inventories, and made ready to be timed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .processes import HERE, PROJECT, Contender

RIVALS = PROJECT / ".bench-venv"


def install_rivals() -> Path:
    """A virtual environment of their own, so that nothing of theirs comes near ours."""
    programs = RIVALS / "bin"
    if not (programs / "pyinfra").exists():
        subprocess.run([sys.executable, "-m", "venv", str(RIVALS)], check=True)
        subprocess.run(
            [str(programs / "pip"), "-q", "install", "ansible-core", "pyinfra"], check=True
        )
    return programs


def run_on_nodes(site: Path, script: str) -> None:
    """Run it as root on both nodes, through our own links."""
    from fabfile.engine.fleet import raise_first
    from fabfile.settings.reach import open_fleet
    from fabfile.settings.site_file import load_settings

    settings = load_settings(site)
    with open_fleet(settings, settings.inventory.having("app")) as fleet:
        raise_first(fleet.each(lambda node: fleet.link(node).run(script, timeout=300)))


PYTHON = (
    "command -v python3 >/dev/null || { apt-get -qq update; apt-get -qq -y install python3"
    " python3-apt >/dev/null; }"
)
"""Ansible needs it on the hosts; bare ones have none."""


TRACES = "rm -rf /opt/bench; userdel bench 2>/dev/null; true"


def write_inventories(site: Path) -> None:
    """The two nodes for both rivals, reached with the lab's own key and pinned host keys."""
    from fabfile.settings.site_file import load_settings

    settings = load_settings(site)
    ssh, nodes = settings.ssh, settings.inventory.having("app")
    options = (
        f"-o UserKnownHostsFile={ssh.known_hosts} -o StrictHostKeyChecking=yes -o"
        " ControlMaster=auto -o ControlPersist=60s"
    )
    RIVALS.mkdir(exist_ok=True)
    lines = [
        f"{n.name} ansible_host={n.address} ansible_user={ssh.user}"
        f" ansible_ssh_private_key_file={ssh.key} ansible_ssh_common_args='{options}'"
        for n in nodes
    ]
    (RIVALS / "inventory.ini").write_text("[nodes]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    hosts = [
        (
            n.address,
            {
                "ssh_user": ssh.user,
                "ssh_key": str(ssh.key),
                "ssh_known_hosts_file": str(ssh.known_hosts),
            },
        )
        for n in nodes
    ]
    (RIVALS / "inventory.py").write_text(f"nodes = {hosts!r}\n", encoding="utf-8")


def rival_contenders(site: Path) -> list[Contender]:
    """Install them, make both nodes ready, and give the commands to time."""
    write_inventories(site)
    run_on_nodes(site, PYTHON)
    programs = install_rivals()
    books = HERE / "rivals"
    ansible = {
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "LC_ALL": "C.UTF-8",
    }
    return [
        Contender(
            "ansible-core, pipelining, 2 nodes",
            [
                str(programs / "ansible-playbook"),
                "-i",
                str(RIVALS / "inventory.ini"),
                str(books / "playbook.yml"),
            ],
            ansible,
        ),
        Contender(
            "pyinfra, 2 nodes",
            [
                str(programs / "pyinfra"),
                "-y",
                str(RIVALS / "inventory.py"),
                str(books / "deploy.py"),
            ],
        ),
    ]
