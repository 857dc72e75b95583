"""strace's lines, recorded from real runs (strace 6.1, `-f -ttt -y -s 0`), read as events."""

from __future__ import annotations

from fabfile.discovery.strace import (
    PENDING,
    Bind,
    Connect,
    Event,
    Touch,
    parse_trace,
    select_program_events,
)

GO = """\
772   1795487511.600234 execve("/usr/bin/timeout", [...], 0x7ffcf8268258 /* 5 vars */) = 0
772   1795487511.602942 access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)
772   1795487511.603019 openat(AT_FDCWD</>, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = \
3</etc/ld.so.cache>
773   1795487511.687634 execve("/usr/local/bin/film", [...], 0x7fff65cd0b80 /* 5 vars */) = 0
773   1795487511.688248 openat(AT_FDCWD</>, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", \
O_RDONLY) = 3</sys/kernel/mm/transparent_hugepage/hpage_pmd_size>
773   1795487511.690143 openat(AT_FDCWD</>, "/opt/film/config.yaml", O_RDONLY|O_CLOEXEC) = \
3</opt/film/config.yaml>
776   1795487511.690253 openat(AT_FDCWD</>, "/opt/log/567159d622/main.log", \
O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC, 0644 <unfinished ...>
777   1795487511.690260 newfstatat(AT_FDCWD</>, "/etc/nsswitch.conf", {st_mode=S_IFREG|0644, \
st_size=494, ...}, 0) = 0
776   1795487511.690262 <... openat resumed>) = 3</opt/log/567159d622/main.log>
778   1795487511.692897 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_IP) = \
7<socket:[454380]>
778   1795487511.693015 connect(7<socket:[454380]>, {sa_family=AF_INET, sin_port=htons(5432), \
sin_addr=inet_addr("127.0.0.1")}, 16) = -1 EINPROGRESS (Operation now in progress)
778   1795487511.693324 getsockopt(7<socket:[454380]>, SOL_SOCKET, SO_ERROR, [0], [4]) = 0
778   1795487511.693802 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_IP) = \
8<socket:[454381]>
778   1795487511.693908 connect(8<socket:[454381]>, {sa_family=AF_INET, sin_port=htons(80), \
sin_addr=inet_addr("8.8.8.8")}, 16) = -1 EINPROGRESS (Operation now in progress)
778   1795487511.694132 getsockopt(8<socket:[454381]>, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) \
= 0
778   1795487511.694497 socket(AF_INET6, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_TCP) = \
8<socket:[454384]>
778   1795487511.694540 bind(8<socket:[454384]>, {sa_family=AF_INET6, sin6_port=htons(0), \
sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = 0
778   1795487511.694833 socket(AF_INET6, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_IP) = \
8<socket:[454387]>
778   1795487511.695071 bind(8<socket:[454387]>, {sa_family=AF_INET6, sin6_port=htons(23456), \
sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::", &sin6_addr), sin6_scope_id=0}, 28) = 0
778   1795487511.900000 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---
773   1795487511.913095 +++ exited with 2 +++
"""


def one(line: str) -> Event:
    (event,) = parse_trace([f"12 100.5 {line}"])
    return event


def test_a_go_server_is_read_from_its_start_on() -> None:
    events = select_program_events(parse_trace(GO.splitlines()), "/usr/local/bin/film")
    assert events
    assert [e.path for e in events if isinstance(e, Touch)] == [
        "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
        "/opt/film/config.yaml",
        "/etc/nsswitch.conf",
        "/opt/log/567159d622/main.log",
    ]
    assert [(e.address, e.port, e.error) for e in events if isinstance(e, Connect)] == [
        ("127.0.0.1", 5432, ""),
        ("8.8.8.8", 80, "ECONNREFUSED"),
    ]
    assert [(e.address, e.port) for e in events if isinstance(e, Bind)] == [
        ("::1", 0),
        ("::", 23456),
    ]


def test_a_program_that_never_started_has_no_events() -> None:
    assert select_program_events(parse_trace(GO.splitlines()), "/usr/local/bin/other") is None


def test_a_call_in_two_halves_keeps_its_start() -> None:
    log = next(e for e in parse_trace(GO.splitlines()) if isinstance(e, Touch) and e.append)
    assert log == Touch(
        776, 1795487511.690253, "", "open", "/opt/log/567159d622/main.log", True, True, True, False
    )


def test_a_call_without_an_answer_is_pending() -> None:
    text = (
        "connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80),"
        ' sin_addr=inet_addr("203.0.113.9")}, 16'
    )
    assert one(f"{text} <unfinished ...>") == Connect(12, 100.5, PENDING, "203.0.113.9", 80, True)
    assert one(f"{text}) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)").error == PENDING


def test_asking_again_tells_how_the_first_call_went() -> None:
    call = (
        "connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80),"
        ' sin_addr=inet_addr("203.0.113.9")}, 16)'
    )
    waits = f"1 1.0 {call} = -1 EINPROGRESS (Operation now in progress)"
    for answer, error in (
        ("0", ""),
        ("-1 EISCONN (x)", ""),
        ("-1 ECONNREFUSED (Connection refused)", "ECONNREFUSED"),
    ):
        (event,) = parse_trace([waits, f"1 1.1 {call} = {answer}"])
        assert event.error == error


def test_datagrams_are_told_from_streams() -> None:
    socket = "1 1.0 socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 3<socket:[9]>"
    call = (
        "connect(3<socket:[9]>, {sa_family=AF_INET, sin_port=htons(53),"
        ' sin_addr=inet_addr("192.0.2.1")}, 16) = 0'
    )
    (event,) = parse_trace([socket, f"1 1.1 {call}"])
    assert event == Connect(1, 1.1, "", "192.0.2.1", 53, False)


def test_other_families() -> None:
    mapped = (
        "sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6,"
        ' "::ffff:192.0.2.7", &a)'
    )
    assert one(f"connect(3, {{{mapped}}}, 28) = 0") == Connect(12, 100.5, "", "192.0.2.7", 80, True)
    unix = (
        'connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/run/db/.s.5432"}, 110) = -1 ENOENT'
        " (No such file)"
    )
    assert one(unix) == Connect(12, 100.5, "ENOENT", "/run/db/.s.5432", 0, True)
    abstract = one('bind(3, {sa_family=AF_UNIX, sun_path=@"/tmp/dbus"}, 12) = 0')
    assert abstract == Bind(12, 100.5, "", "@/tmp/dbus", 0, True)
    named = one('bind(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 12) = 0')
    assert named == Touch(12, 100.5, "", "socket", "/run/x", write=True, create=True)
    assert (
        parse_trace(["1 1.0 bind(3, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0"])
        == []
    )


def test_relative_paths_are_made_absolute() -> None:
    def path(*lines: str) -> str:
        event = parse_trace([f"1 1.0 {line}" for line in lines], "/srv/app")[-1]
        assert isinstance(event, Touch)
        return event.path

    assert path('openat(AT_FDCWD</var/lib/x>, "../conf.d/a", O_RDONLY) = 3') == "/var/lib/conf.d/a"
    assert path('openat(5</etc/x>, "part", O_RDONLY) = 6</etc/x/part>') == "/etc/x/part"
    assert path('access("key.pem", R_OK) = 0') == "/srv/app/key.pem"
    assert path('chdir("/data") = 0', 'open("db", O_RDWR|O_CREAT, 0600) = 3') == "/data/db"


def test_quoted_paths_are_unquoted() -> None:
    event = one(
        r'openat(AT_FDCWD</>, "/srv/\"a\"\tb\303\274.conf", O_RDONLY) = -1 ENOENT (No such file or'
        r" directory)"
    )
    assert isinstance(event, Touch)
    assert event.path == '/srv/"a"\tbü.conf'


def test_what_names_no_path_is_left_out() -> None:
    assert (
        parse_trace(
            [
                '1 1.0 newfstatat(3</x>, "", {st_mode=S_IFREG|0644, st_size=1, ...},'
                " AT_EMPTY_PATH) = 0"
            ]
        )
        == []
    )
    assert parse_trace(['1 1.0 readlink("/proc/self/exe", ""..., 128) = 12', "garbage", ""]) == []
