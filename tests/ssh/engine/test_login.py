"""Login shells and their files: what they print is no answer, and one that never runs our script
is named within seconds."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sshhost
from sshhost import Host, fab

from fabfile.engine.errors import RunbookError, Unreachable
from fabfile.engine.frame import PROXIES, USE_PROXIES
from fabfile.engine.link import Link

SHELLS = {
    "bash": ("/bin/bash", ".bashrc"),
    "tcsh": ("/usr/bin/tcsh", ".cshrc"),
    "fish": ("/usr/bin/fish", ".config/fish/config.fish"),
}
Login = Callable[[str, str], Link]


@pytest.fixture
def login(host: Host) -> Iterator[Login]:
    """Gives `ops` a login shell and that shell's login file; a link with 2 s for it
    (`ssh.timeout`)."""
    users, made, links = host.files / "etc/passwd", list[Path](), list[Link]()
    before = users.read_text()

    def give(shell: str, text: str) -> Link:
        program, name = SHELLS.get(shell, (shell, ".bashrc"))
        users.write_text(before.replace("/home/ops:/bin/sh", f"/home/ops:{program}"))
        file = host.files / "home/ops" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        made.append(file)
        links.append(host.link(timeout=2))
        return links[-1]

    yield give
    users.write_text(before)
    for file in made:
        file.unlink(missing_ok=True)
    for link in links:
        link.close()


NOISE = {
    "a greeting": 'echo "Welcome to $(hostname), no smoking"',
    "a greeting without newline": "printf 'Welcome'",
    "on stderr": "echo 'this host has no smoking area' >&2",
    "on both streams": "printf 'Welcome'; printf 'no smoking' >&2",
    "bytes that are no text": "printf 'a\\000b\\377\\033[31m'; printf '\\000\\377' >&2",
    "much of it": "head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero >&2",
    "an exit status of its own": "trap 'echo bye; exit 9' EXIT",
    "every command it runs": "set -xv",
    "a frame that is not ours": (
        "printf '\\n#~0123456789abcdef begin\\n\\n#~0123456789abcdef end 0\\n'"
    ),
}


@pytest.mark.parametrize("text", NOISE.values(), ids=NOISE)
def test_what_login_files_print_is_no_answer(login: Login, tmp_path: Path, text: str) -> None:
    link = login("bash", text + "\n")
    assert link.run("printf answer; echo word >&2; exit 5", check=False) == ("answer", "word\n", 5)
    assert [tuple(seen) for seen in link.read(["echo one", "echo two >&2; exit 3"])] == [
        ("one\n", 0),
        ("two\n", 3),
    ]
    assert list(link.follow("echo first; echo second", silence=5)) == ["first", "second"]
    with pytest.raises(RunbookError) as failure:
        link.run("exit 4")
    assert str(failure.value) == "one: exit 4", "noise is not the host's words"
    binary = tmp_path / "binary"
    binary.write_bytes(os.urandom(300_000))
    link.upload(binary, "/srv/noise/binary", hashlib.sha256(binary.read_bytes()).hexdigest())


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_and_files_travel_on_stdin_whatever_the_login_shell(
    login: Login, host: Host, tmp_path: Path, shell: str
) -> None:
    link = login(shell, "echo hello from $shell\n" if shell == "tcsh" else "echo hello\n")
    nasty = "a='$HOME !! ünï ✓ ā\x81 \\n'; `id`\n"
    assert link.run(f"cat <<'END'\n{nasty}END\nexit 3", check=False).out == nasty
    assert link.read(["id -un"])[0].out == "root\n"
    assert list(link.follow("echo tick", silence=5)) == ["tick"]
    link.guard = (  # as under a lock: csh fails at its newline
        "[ -d / ] || { echo 'lost' >&2; exit 73; }\n"
    )
    binary = tmp_path / "it's $new"
    binary.write_bytes(os.urandom(700_001))
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()
    link.upload(binary, f"/srv/{shell}/it's $new", digest)
    assert (host.files / f"srv/{shell}/it's $new").read_bytes() == binary.read_bytes()
    with pytest.raises(RunbookError, match="the upload of"):
        link.upload(binary, f"/srv/{shell}/it's $new", "0" * 64)


TAKEN = {
    "another shell": ("bash", "bash\n"),
    "another shell in its place": ("bash", "exec fish\n"),
    "an interactive shell": ("bash", "exec bash -i\n"),
    "a csh": ("bash", "exec tcsh\n"),
    "a shell from a csh": ("tcsh", "sh\n"),
    "a question": ("bash", "read -r answer\n"),
    "a menu": ("bash", "while read -r answer; do echo '1) shell  2) exit'; done; exit 1\n"),
    "a menu that never ends": (
        "bash",
        "while :; do read -r answer; echo '1) shell  2) exit'; done\n",
    ),
    "something that waits": ("bash", "echo waiting for the cluster; sleep 30\n"),
    "an end": ("bash", "echo this host is being rebuilt >&2; exit 3\n"),
    "no shell": ("/usr/sbin/nologin", ""),
}


@pytest.mark.parametrize(("shell", "text"), TAKEN.values(), ids=TAKEN)
def test_a_login_that_does_not_run_our_script_is_named_soon(
    login: Login, host: Host, tmp_path: Path, shell: str, text: str
) -> None:
    link = login(shell, text)
    proof = host.files / "tmp/ran"
    binary = tmp_path / "binary"
    binary.write_bytes(b"x" * 100_000)
    calls: list[Callable[[], object]] = [
        lambda: link.run("touch /tmp/ran"),
        lambda: link.read(["touch /tmp/ran"]),
        lambda: list(link.follow("touch /tmp/ran", silence=60)),
        lambda: link.upload(binary, "/tmp/ran", "0" * 64),
    ]
    for call in calls:
        started = time.monotonic()
        with pytest.raises(
            Unreachable, match="one does not run our command: the login of ops"
        ) as failure:
            call()
        assert time.monotonic() - started < 6
        assert (failure.value.code, proof.exists()) == (4, False)
        assert "nothing was done on it" in failure.value.why
        if "nologin" in shell:
            assert "the login shell of ops is nologin" in failure.value.why
            assert "usermod --shell" in failure.value.next
        else:
            assert f"ops@{host.address} true" in failure.value.next
            assert ".bashrc" in failure.value.next


def test_the_hosts_own_words_are_quoted(login: Login) -> None:
    def said(shell: str, text: str) -> str:
        with pytest.raises(Unreachable) as failure:
            login(shell, text).run("true")
        return str(failure.value)

    assert said(
        "bash", "echo first; printf '\\033[31mbeing rebuilt\\033[0m' >&2; exit 3\n"
    ).endswith("ends with exit 3 before our command, and prints «first / being rebuilt»")
    assert "did not end within 2 s (ssh.timeout), and prints «waiting»" in said(
        "bash", "echo waiting; sleep 9\n"
    )
    assert "This account is currently not available." in said("/usr/sbin/nologin", "")
    assert "reads our script itself" in said("bash", "bash\n")


@pytest.fixture
def forced(host: Host) -> Iterator[Callable[[str], None]]:
    """Makes the key run one command only, as cloud images do for root."""
    file = host.files / "etc/ssh/test_authorized_keys"
    before = file.read_text()
    yield lambda command: file.write_text(f'command="{command}" {before}') and None
    file.write_text(before)


def test_a_forced_command_is_quoted(host: Host, forced: Callable[[str], None]) -> None:
    """As cloud-init writes it into root's authorized_keys."""
    forced(
        'echo \'Please login as the user \\"debian\\" rather than the user \\"root\\".\';echo;sleep'
        " 10;exit 142"
    )
    link = host.link(user="root", timeout=2)
    for call in (lambda: link.run("true"), lambda: link.read(["true"])):
        started = time.monotonic()
        with pytest.raises(Unreachable) as failure:
            call()
        assert time.monotonic() - started < 6
        assert '«Please login as the user "debian" rather than the user "root".»' in str(
            failure.value
        )
        assert "command= in authorized_keys" in failure.value.why
        assert failure.value.next == 'set user = "debian" under [ssh] in the site file'
    link.close()


def test_a_forced_command_that_prints_ours_does_not_pass_for_it(
    host: Host, forced: Callable[[str], None]
) -> None:
    forced("echo denied: $SSH_ORIGINAL_COMMAND; cat; exit 1")
    link = host.link(timeout=2)
    with pytest.raises(
        Unreachable, match="the login of ops ends with exit 1 before our command, and prints «"
    ):
        link.run("touch /tmp/ran")
    assert not (host.files / "tmp/ran").exists()
    link.close()


def test_words_of_sudo_are_the_reason(login: Login, host: Host) -> None:
    rules = host.files / "etc/sudoers.d/test"
    before = rules.read_text()
    rules.write_text(
        before.replace("ops ALL=(ALL) NOPASSWD:ALL", "ops ALL=(ALL) NOPASSWD:/bin/true")
    )
    try:
        with pytest.raises(RunbookError, match="user ops cannot use sudo: «sudo: "):
            login("bash", "echo Welcome\n").run("true")
    finally:
        rules.write_text(before)


def test_the_menu_says_it_in_three_lines(login: Login, site: Path) -> None:
    login("bash", "echo 'Please wait for the cluster'; sleep 60\n")
    started = time.monotonic()
    for words in (("plan",), ("status",)):
        done = fab(site, *words)
        assert done.returncode == 4, done.stdout + done.stderr
        assert "Please wait for the cluster" in done.stdout + done.stderr
    assert time.monotonic() - started < 15


LEAKY = {
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:8",
    "no_proxy": "intern",
    "ALL_PROXY": "http://127.0.0.1:9",
    "PGHOST": "elsewhere",
    "PGOPTIONS": "-c default_transaction_read_only=on",
    "LC_ALL": "de_DE.ISO-8859-1",
    "LANGUAGE": "de",
    "CDPATH": "/tmp",
    "BASH_ENV": "/tmp/bash-env",
    "POSIXLY_CORRECT": "1",
    "TMPDIR": "/nowhere",
    "LD_LIBRARY_PATH": "/nowhere",
    "PS1": "* = a-b=c http_proxy=x HOME= $(id) `id` [!",
    "HOST_HTTP_PROXY": "http://of.the.host",
}
OURS = {"PATH", "HOME", "LC_ALL", "DEBIAN_FRONTEND"} | {f"HOST_{name.upper()}" for name in PROXIES}


@pytest.mark.parametrize("user", ["ops", "root"])
def test_nothing_of_the_hosts_environment_gets_into_our_scripts(host: Host, user: str) -> None:
    """sudo keeps it (env_keep, or pam_env with /etc/environment); a root's login file exports
    it."""
    rules, users = host.files / "etc/sudoers.d/test", host.files / "etc/passwd"
    before = {file: file.read_text() for file in (rules, users)}
    (host.files / "etc/leaky").write_text(
        "".join(f"{name}='{value}'\n" for name, value in LEAKY.items())
    )
    rules.write_text(f"{before[rules]}Defaults env_file=/etc/leaky\n")
    users.write_text(before[users].replace("root:/tmp:/bin/sh", "root:/tmp:/bin/bash"))
    (host.files / "tmp/bash-env").write_text("echo from BASH_ENV\n")
    bashrc = host.files / "tmp/.bashrc"
    bashrc.write_text(
        "".join(f"export {name}='{value}'\n" for name, value in LEAKY.items()) + "umask 077\n"
    )
    link = host.link(user=user)
    try:
        names = {line.partition("=")[0] for line in link.run("env").out.splitlines()}
        assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == OURS
        assert link.run("echo $LC_ALL; umask; bash -c 'echo quiet'").out == "C.UTF-8\n0022\nquiet\n"
        proxies = link.run(f"{USE_PROXIES}; sh -c 'echo $http_proxy $https_proxy $no_proxy'").out
        assert proxies == "http://127.0.0.1:9 http://127.0.0.1:8 intern\n", "apt gets them back"
    finally:
        link.close()
        bashrc.unlink()
        for file, text in before.items():
            file.write_text(text)


def test_the_banner_of_a_host_that_lets_nobody_in_is_quoted(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sshd sends PAM's reason for a refusal that way."""
    monkeypatch.setattr(
        sshhost, "CONFIG", f"{sshhost.CONFIG}Banner /etc/ssh/test_config\nAllowUsers nobody\n"
    )
    with closing(Host("shut", "127.77.0.4", tmp_path / "shut", host.key)) as shut:
        with pytest.raises(Unreachable) as failure:
            shut.link().run("true")
        assert "shut refuses user ops" in str(failure.value)
        assert str(failure.value).endswith(f"/ ListenAddress 127.77.0.4 / Port {shut.port}»")


def test_a_host_that_is_closed_for_maintenance_says_so(host: Host) -> None:
    notice = host.files / "etc/nologin"
    notice.write_text("Back at 18:00.\n")
    try:
        with (
            closing(host.link(timeout=2)) as link,
            pytest.raises(Unreachable, match="Back at 18:00"),
        ):
            link.run("true")
    finally:
        notice.unlink()
