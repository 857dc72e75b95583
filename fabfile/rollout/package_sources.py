"""Whether apt could install the packages that are missing on a host, without changing anything
there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..discovery.model import Destination, Facts
from ..engine.errors import RunbookError
from ..engine.frame import USE_PROXIES
from ..engine.host import Node
from ..engine.messages import plural
from ..engine.secret import Secret
from ..engine.shell import Reading, q
from ..engine.step import Step
from ..steps.cert import Material
from ..steps.package import MOST_LETTERS, Packages
from .condition import NOT_TRIED, NOTHING, Precondition
from .system import System

SECONDS = 30
"""A fetch of all package lists may take this long."""

# apt-get writes lists, locks and caches only into $work; `-s` simulates.
PROBE = f"""{USE_PROXIES}
missing=
set -- NAMES
for name; do
  case $(dpkg-query -W -f '${{db:Status-Abbrev}}' "$name" 2>/dev/null) in
    ?i*) ;;
    *) missing="$missing $name" ;;
  esac
done
[ -n "$missing" ] || {{ echo installed; exit 0; }}
echo "missing$missing"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
quick="-o Acquire::Retries=0 -o Acquire::http::Timeout=6 -o Acquire::https::Timeout=6"
no_cache="-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache="
simulate() {{
  apt-get -s -qq --no-install-recommends $no_cache "$@" install $missing >/dev/null
}}
try_source() {{
  timeout 10 /usr/lib/apt/apt-helper -q $quick download-file "$2" "$work/$1" \\
    >"$work/$1.log" 2>&1 && {{ echo "answers $2"; return; }}
  echo "silent $2 $(sed -n 's/^[EW]: *//p' "$work/$1.log" | head -n 1)"
}}
number=0
for uri in $(apt-get --print-uris update | sed -n "s/^'\\([^']*InRelease\\)'.*/\\1/p"); do
  number=$((number + 1))
  try_source $number "$uri" &
done
simulate 2>"$work/errors" && echo resolved
code=$?
# Without a URI to fetch, all the archives are on the host, and no source is needed.
[ $code -ne 0 ] || apt-get -qq --no-install-recommends $no_cache --print-uris install $missing \
  2>/dev/null | grep -q "^'" || echo cached
wait
[ $code -ne 0 ] || exit 0
options="$quick -o Dir::State::lists=$work/lists -o Dir::Cache::archives=$work/archives
  -o Acquire::Languages=none -o APT::Sandbox::User=root"
timeout {SECONDS} apt-get -qq $no_cache $options update >"$work/update" 2>&1
if simulate $options 2>"$work/errors"; then echo resolved; exit 0; fi
sed -n 's/^E: */apt /p' "$work/update" "$work/errors"
true"""


def package_condition(node: Node, names: Sequence[str]) -> Precondition:
    """apt can resolve those of the packages `names` that are missing on `node`, and a source
    answers."""
    return Precondition(
        "packages",
        PROBE.replace("NAMES", " ".join(map(q, names))),
        partial(judge_packages, node.name),
        describe_packages,
    )


def needed_packages(
    system: System, node: Node, phases: Sequence[str], planned: Sequence[Step]
) -> list[str]:
    """The packages that a deploy of `phases` installs on `node`, also before discovery and before
    there is a certificate. `planned` are its steps as far as they are known now."""
    steps = planned
    if system.facts is None or (system.tls is None and "edge" in node.roles):
        whole = replace(
            system, facts=system.facts or _ANY_FACTS, tls=system.tls or _ANY_CERTIFICATE
        )
        steps = [step for phase in phases for step in whole.steps(node, phase)]
    return sorted({name for step in steps if isinstance(step, Packages) for name in step.names})


_ANY_FACTS = Facts(binary_sha256="", command=(), ports=(Destination("0.0.0.0", 1),))
_ANY_CERTIFICATE = Material("", Secret(""), "", "", "")
"""Stand-ins: which packages are needed depends on neither."""


def describe_packages(reading: Reading) -> str:
    """How many packages are missing, and which sources do not answer."""
    if reading.out.startswith("installed"):
        return "all are installed"
    missing = re.search(r"^missing (.*)$", reading.out, re.M)
    if not missing:
        return f"{NOT_TRIED}: {reading.out.strip() or 'apt does not answer'}"
    silent = re.findall(r"^silent (\S+)", reading.out, re.M)
    lost = f"; no answer from {', '.join(silent)}" if silent else ""
    return f"{plural(len(missing[1].split()), 'package')} to install, all known to apt{lost}"


def judge_packages(host: str, reading: Reading) -> list[RunbookError]:
    """Check that apt knows all of them, and that one source answers at least."""
    out = reading.out
    answers = re.search(r"^answers ", out, re.M)
    silent = re.findall(r"^silent (\S+) ?(.*)$", out, re.M)
    if out.startswith("installed") or not out.startswith("missing"):
        return []
    missing = out.partition("\n")[0].removeprefix("missing ")
    if not answers and silent and not re.search(r"^cached$", out, re.M):
        reasons = "; ".join(f"{uri}: {why or 'no answer'}" for uri, why in silent)
        return [
            RunbookError(
                f"{host} reaches no package source: {reasons[:MOST_LETTERS]}",
                f"these packages are missing: {missing}; {NOTHING}",
                f"on {host}: apt-get update; /etc/apt/sources.list, the network, a proxy in"
                " /etc/environment",
            )
        ]
    if re.search(r"^resolved$", out, re.M):
        return []
    reasons = "; ".join(dict.fromkeys(re.findall(r"^apt (.*)$", out, re.M)))
    return [
        RunbookError(
            f"{host}: apt cannot resolve the missing packages:"
            f" {reasons[:MOST_LETTERS] or 'it gives no reason'}",
            f"these packages are missing: {missing}; {NOTHING}",
            f"on {host}: apt-get update; apt-get install -s {missing}; /etc/apt/sources.list",
        )
    ]
