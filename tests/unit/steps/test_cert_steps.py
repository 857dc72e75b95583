"""What the certificate's steps decide from what they read, and that no key shows in any of it."""

from __future__ import annotations

import pytest
from samples import MATERIAL

from fabfile.engine.command import Shell
from fabfile.engine.shell import Reading
from fabfile.steps.cert import Certificate, Served, served_certificate_command

PAIR = MATERIAL.id
STEP = Certificate(MATERIAL, "/etc/x/tls", "www-data", notify=("reload:x.service",))
SERVED = Served(MATERIAL, "192.0.2.11", 443, "shop.example", "x.service")
RIGHT = f"""current {PAIR}
. root:www-data 750
{PAIR} root:www-data 750
{PAIR}/chain.pem root:root 644
{PAIR}/key.pem root:www-data 640
same
"""
ABOUT = "the certificate in /etc/x/tls (shop.example, until 2026-03-31, abababababababab)"


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (RIGHT, None),
        ("absent\n", f"install {ABOUT}"),
        ("", f"install {ABOUT}"),
        (RIGHT.replace(f"current {PAIR}", "current 0123456789ab"), f"install {ABOUT}"),
        (RIGHT.replace("same\n", ""), f"repair {ABOUT}"),
        (RIGHT.replace("data 640", "data 644"), f"repair {ABOUT}"),
        (RIGHT.replace(". root:www-data 750", ". root:root 755"), f"repair {ABOUT}"),
        (RIGHT.replace(f"{PAIR}/key.pem root:www-data 640\nsame\n", ""), f"repair {ABOUT}"),
    ],
)
def test_certificate(out: str, said: str | None) -> None:
    change = STEP.decide(Reading(out, 0))
    assert (change.sentence if change else None) == said


KEY = f"/etc/x/tls/{PAIR}/key.pem"


@pytest.mark.parametrize(
    ("out", "told"),
    [
        (RIGHT, []),
        (RIGHT.replace("data 640", "data 0"), [f"{KEY} is root:www-data 0, not root:www-data 640"]),
        (
            RIGHT.replace("root:www-data 640", "1005:1005 600"),
            [f"{KEY} is 1005:1005 600, not root:www-data 640"],
        ),
        (RIGHT.replace(f"{PAIR}/key.pem root:www-data 640\nsame\n", ""), [f"{KEY} is missing"]),
        (
            RIGHT.replace("same\n", ""),
            [f"chain or key in /etc/x/tls/{PAIR} has changed since it was installed"],
        ),
        (
            RIGHT.replace(f"current {PAIR}", "current "),
            [f"/etc/x/tls/current is no link, not {PAIR}"],
        ),
        ("absent\n", ["/etc/x/tls is missing"]),
    ],
)
def test_differences_of_what_was_installed(out: str, told: list[str]) -> None:
    assert STEP.find_differences(Reading(out, 0)) == told


def test_no_key_is_shown_in_probe_plan_or_journal() -> None:
    change = STEP.decide(Reading("absent\n", 0))
    assert change
    (command,) = change.commands
    assert isinstance(command, Shell)
    key = MATERIAL.key.reveal().strip()
    assert key not in STEP.probe() + repr(STEP) + change.sentence + change.diff + command.show()
    assert "<<'BASE64'\n…\nBASE64" in command.show()
    assert "Z29sZGVuLWtleQo=" in command.script, "it travels on the script's standard input"
    assert "Z29sZGVuLWtleQo=" not in command.show()


def shown(fingerprint: str) -> str:
    return f"served sha256 Fingerprint={bytes.fromhex(fingerprint).hex(':').upper()}\n"


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (shown(MATERIAL.fingerprint), None),
        (
            "served \n",
            "reload x.service: 192.0.2.11:443 serves no certificate, not abababababababab",
        ),
        ("", "reload x.service: 192.0.2.11:443 serves no certificate, not abababababababab"),
        (
            shown("cd" * 32),
            (
                "reload x.service: 192.0.2.11:443 serves certificate cdcdcdcdcdcdcdcd, not"
                " abababababababab"
            ),
        ),
    ],
)
def test_served(out: str, said: str | None) -> None:
    change = SERVED.decide(Reading(out, 0))
    assert (change.sentence if change else None) == said


@pytest.mark.parametrize("planned", ["reload:x.service", "restart:x.service"])
def test_a_plan_predicts_that_a_reload_serves_it(planned: str) -> None:
    other = Reading("served \n", 0)
    assert SERVED.decide(SERVED.predict(other, [planned])) is None
    assert SERVED.decide(SERVED.predict(other, ["reload:y.service"]))


def test_only_dns_names_are_asked_for() -> None:
    assert "-servername shop.example" in served_certificate_command(
        "192.0.2.11", 443, "shop.example"
    )
    for name in ("", "192.0.2.10"):
        assert "-noservername" in served_certificate_command("192.0.2.11", 443, name)
