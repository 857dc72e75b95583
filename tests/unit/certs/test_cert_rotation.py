"""Every state of a rotation, what status says of it, and whom clients are told to trust."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from samples import site

from fabfile.certs import authority, judge, ready_material, status, trust
from fabfile.certs.store import CURRENT, LEAF, NEXT, PREVIOUS, Store
from fabfile.engine.errors import RunbookError
from fabfile.rollout import certificates
from fabfile.settings.settings import Settings, Tls

DAY = timedelta(days=1)
Installed = list[x509.Certificate | None]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The sample site with a store of its own."""
    return replace(site(), tls=Tls(names=("shop.example",), store=tmp_path / "tls"))


@pytest.fixture
def installed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Instead of edges: what the store held whenever something was installed, and served since."""
    seen: Installed = []

    def install(settings: Settings, task: str, *, dry: bool, json: str | None) -> int:
        ready_material(settings, may_issue=True)
        seen.append(Store(settings.tls.store, settings.name).load_certificate(LEAF))
        return 0

    monkeypatch.setattr(certificates, "_install_material", install)
    monkeypatch.setattr(
        certificates,
        "read_edges",
        lambda settings: [judge.ServedCertificate("edge1", "192.0.2.11:443", seen[-1])],
    )
    assert certificates.issue_certificate(settings, force=False, dry=False, json=None) == 0
    return seen


def trusted(settings: Settings) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((settings.tls.store / "bundle.pem").read_bytes())


def files(settings: Settings) -> set[str]:
    return {path.name for path in settings.tls.store.glob("*.pem")}


def test_a_rotation_never_leaves_a_client_without_the_authority_it_needs(
    settings: Settings, installed: Installed
) -> None:
    (old,) = trusted(settings)
    assert certificates.prepare_authority(settings, None) == 0
    assert certificates.prepare_authority(settings, None) == 0, "twice is once"
    _, new = trusted(settings)
    assert ready_material(settings, may_issue=False), "nothing is due because of it"
    assert files(settings) == {CURRENT, NEXT, LEAF, "bundle.pem"}
    assert certificates.rotate_authority(settings, None) == 0
    assert trusted(settings) == [new, old]
    assert files(settings) == {CURRENT, PREVIOUS, LEAF, "bundle.pem"}
    assert b"PRIVATE" not in (settings.tls.store / PREVIOUS).read_bytes(), "the old key is gone"
    assert installed[-1]
    assert authority.issued_by(installed[-1], new)
    assert certificates.rotate_authority(settings, None) == 0
    assert trusted(settings) == [new, old], "no third one before the first is finished"
    with pytest.raises(RunbookError, match="the last rotation is not finished"):
        certificates.prepare_authority(settings, None)
    assert certificates.finish_rotation(settings, None) == 0
    assert trusted(settings) == [new]
    with pytest.raises(RunbookError, match="no rotation is under way"):
        certificates.finish_rotation(settings, None)


def test_a_rotation_needs_no_preparation(settings: Settings, installed: Installed) -> None:
    (old,) = trusted(settings)
    assert certificates.rotate_authority(settings, None) == 0
    assert len(trusted(settings)) == 2
    assert trusted(settings)[1] == old


@pytest.mark.parametrize("moment", ["make_authority", "write_file", "promote_next", "renew"])
def test_a_rotation_that_was_killed_goes_on(
    settings: Settings, installed: Installed, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Just before each of its moments, which is just after the one before."""
    (old,) = trusted(settings)
    served = installed[-1]
    assert served

    class Killed(Exception):
        pass

    def kill(*args: object, **kwargs: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Store, moment, kill)
        with pytest.raises(Killed):
            certificates.rotate_authority(settings, None)
    assert old in trusted(settings), "who is served the old leaf can verify it"
    assert certificates.rotate_authority(settings, None) == 0
    new, *others = trusted(settings)
    assert others == [old]
    assert installed[-1]
    assert authority.issued_by(installed[-1], new)
    assert certificates.finish_rotation(settings, None) == 0
    assert trusted(settings) == [new]


def test_finishing_waits_for_every_edge(
    settings: Settings, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = installed[-1]
    certificates.rotate_authority(settings, None)
    late = judge.ServedCertificate("edge2", "192.0.2.12:443", old)
    gone = judge.ServedCertificate(
        "edge2", "192.0.2.12:443", error=RunbookError("off", next="switch it on")
    )
    for look, code, said in (
        (late, 1, "edge2 does not serve"),
        (gone, 4, "the certificate of edge2 cannot be read"),
    ):
        monkeypatch.setattr(certificates, "read_edges", lambda settings, look=look: [look])
        with pytest.raises(RunbookError, match=said) as caught:
            certificates.finish_rotation(settings, None)
        assert caught.value.code == code
        assert len(trusted(settings)) == 2


def test_renewing_never_makes_an_authority(settings: Settings) -> None:
    with pytest.raises(RunbookError, match="there is no authority in"):
        certificates.renew_certificate(settings, force=True, dry=False, json=None)
    with pytest.raises(RunbookError, match="there is no authority in"):
        certificates.rotate_authority(settings, None)
    assert not settings.tls.store.exists()


def test_who_has_a_certificate_of_his_own_rotates_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    own = replace(settings, tls=replace(settings.tls, certificate=tmp_path / "own.pem"))
    for run in (
        certificates.prepare_authority,
        certificates.rotate_authority,
        certificates.finish_rotation,
    ):
        with pytest.raises(RunbookError, match="the site uses its own certificate"):
            run(own, None)
    with pytest.raises(RunbookError, match="the site uses its own certificate"):
        certificates.renew_certificate(own, force=True, dry=False, json=None)
    with pytest.raises(RunbookError, match="the site uses its own certificate"):
        trust.show_trust(own, out=None, install=False, json=None)


# -- status


def test_status_says_what_needs_doing(settings: Settings, installed: Installed) -> None:
    now, served = datetime.now(UTC), installed[-1]
    right = judge.ServedCertificate("edge1", "192.0.2.11:443", served)

    def judged(
        *looks: judge.ServedCertificate, later: timedelta = 0 * DAY
    ) -> tuple[int, list[tuple[str, str]]]:
        one = judge.judge_certificates(settings, list(looks), now + later)
        return one.exit_code, one.problems

    assert judged(right) == (0, [])
    code, problems = judged(right, later=61 * DAY)
    assert (code, problems[0][1]) == (2, "inv certs.renew")
    assert problems[0][0].startswith("a certificate must be issued: two thirds")
    assert judged(right, judge.ServedCertificate("edge2", "x")) == (
        2,
        [("edge2 serves no certificate at x", "inv certs.renew")],
    )
    off = RunbookError("edge2 is off", next="switch it on")
    assert judged(right, judge.ServedCertificate("edge2", "x", error=off)) == (
        4,
        [("edge2 cannot be queried: edge2 is off", "switch it on")],
    )
    clause = "/etc/nginx/tls/x/key.pem is root:www-data 0, not root:www-data 640"
    said = f"edge1: {clause}; nginx still serves what it read at its start, but may not start again"
    assert judged(replace(right, file_faults=(clause,))) == (2, [(said, "inv certs.renew")])
    certificates.prepare_authority(settings, None)
    assert [next_ for _, next_ in judged(right)[1]] == ["inv certs.rotate-ca"]
    certificates.rotate_authority(settings, None)
    assert judged(right) == (
        2,
        [
            (
                "the replaced authority is still trusted; let clients learn the new one",
                "inv certs.rotate-ca --finish",
            ),
            ("edge1 serves another certificate than the store holds", "inv certs.renew"),
        ],
    )
    certificates.finish_rotation(settings, None)
    assert judged(judge.ServedCertificate("edge1", "x", installed[-1])) == (0, [])
    assert [next_ for _, next_ in judged(later=3400 * DAY)[1]] == [
        "inv certs.renew",
        "inv certs.rotate-ca --prepare",
    ]


def states(one: judge.Judged) -> list[str]:
    return [row["state"] for row in status._json_rows(one)]


def test_an_edge_with_a_key_that_cannot_be_read_again_is_not_right(
    settings: Settings, installed: Installed
) -> None:
    edge = judge.ServedCertificate("edge1", "x", installed[-1], file_faults=("key.pem is missing",))
    assert states(judge.judge_certificates(settings, [edge], datetime.now(UTC))) == ["", "broken"]


def cut_off_key(path: Path) -> None:
    text = path.read_bytes()
    path.write_bytes(text[: text.index(b"PRIVATE KEY-----") + 40])


def close(path: Path) -> None:
    """Also root cannot read a folder as a file."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("name", "spoil", "said", "state"),
    [
        (LEAF, cut_off_key, "leaf.pem is damaged", ["", "right"]),
        (CURRENT, cut_off_key, "ca.pem is damaged", ["", "right"]),
        (LEAF, close, "leaf.pem cannot be read: Is a directory", ["not readable", "not compared"]),
        (
            LEAF,
            lambda path: path.write_bytes(b"?"),
            "leaf.pem is damaged",
            ["not readable", "not compared"],
        ),
    ],
)
def test_a_key_of_the_store_that_nobody_can_use_is_a_problem(
    settings: Settings,
    installed: Installed,
    name: str,
    spoil: Callable[[Path], object],
    said: str,
    state: list[str],
) -> None:
    spoil(settings.tls.store / name)
    one = judge.judge_certificates(
        settings, [judge.ServedCertificate("edge1", "x", installed[-1])], datetime.now(UTC)
    )
    assert said in one.problems[0][0]
    assert one.problems[0][1]
    assert (one.exit_code, states(one)) == (2, state)


def test_a_key_of_the_users_own_that_cannot_be_read_is_a_problem(
    settings: Settings, installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "own.pem").write_bytes((settings.tls.store / LEAF).read_bytes())
    tls = replace(settings.tls, certificate=tmp_path / "own.pem", key=tmp_path)
    one = judge.judge_certificates(
        replace(settings, tls=tls),
        [judge.ServedCertificate("edge1", "x", installed[-1])],
        datetime.now(UTC),
    )
    assert [f"{tmp_path} cannot be read: Is a directory" in seen for seen, _ in one.problems] == [
        True
    ]
    assert (one.exit_code, states(one)) == (2, ["not readable", "not compared"])


# -- trust


def test_the_bundle_is_copied_but_never_over_what_is_not_ours(
    settings: Settings, installed: Installed, tmp_path: Path
) -> None:
    target = tmp_path / "copy.pem"
    for _ in range(2):
        assert trust.show_trust(settings, out=str(target), install=False, json=None) == 0
    certificates.prepare_authority(settings, None)
    trust.show_trust(settings, out=str(target), install=False, json=None)
    assert x509.load_pem_x509_certificates(target.read_bytes()) == trusted(settings)
    target.write_text("mine")
    for path, said in (
        (target, "is not a bundle of this runbook"),
        (tmp_path, "is not a bundle"),
        (tmp_path / "a/b", "No such file"),
    ):
        with pytest.raises(RunbookError, match=said):
            trust.show_trust(settings, out=str(path), install=False, json=None)
    assert target.read_text() == "mine"


def test_this_machine_is_made_to_trust_exactly_ours(
    settings: Settings, installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real update-ca-certificates, on folders of the test's own."""
    local, etc = tmp_path / "local", tmp_path / "etc"
    local.mkdir()
    etc.mkdir()
    (tmp_path / "conf").write_text("")
    options = (
        "--certsconf",
        str(tmp_path / "conf"),
        "--localcertsdir",
        str(local),
        "--etccertsdir",
        str(etc),
    )
    monkeypatch.setattr(trust, "MACHINE", local)
    monkeypatch.setattr(
        trust, "UPDATE", (*trust.UPDATE, *options, "--hooksdir", str(tmp_path / "none"))
    )
    monkeypatch.setattr("os.geteuid", lambda: 0)
    certificates.prepare_authority(settings, None)
    assert trust.show_trust(settings, out=None, install=True, json=None) == 0
    assert len(list(local.iterdir())) == 2
    everything = x509.load_pem_x509_certificates((etc / "ca-certificates.crt").read_bytes())
    assert set(everything) == set(trusted(settings))
    certificates.rotate_authority(settings, None)
    certificates.finish_rotation(settings, None)
    assert trust.show_trust(settings, out=None, install=True, json=None) == 0
    assert x509.load_pem_x509_certificates((etc / "ca-certificates.crt").read_bytes()) == trusted(
        settings
    )
    (only,) = local.iterdir()
    only.write_text("somebody else's")
    with pytest.raises(RunbookError, match="is not a bundle of this runbook"):
        trust.show_trust(settings, out=None, install=True, json=None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(RunbookError, match="only root"):
        trust.show_trust(settings, out=None, install=True, json=None)
