"""Which Debian packages a program needs: its interpreter, and the libraries that it loads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..engine.shell import q
from .variables import KNOWN, READS

if TYPE_CHECKING:
    from ..engine.link import Link

_BASE = frozenset({"libc6", "libgcc-s1", "libstdc++6", "dash", "bash", "coreutils"})
"""Packages that every Debian host has."""
_INTERPRETERS = {"python3": "python3", "perl": "perl", "node": "nodejs", "ruby": "ruby"}


@dataclass(frozen=True)
class ProgramFile:
    """What the file of the program shows without running it: the packages that it uses on this
    host, the libraries that are missing (with the package that has each, or ""), and the names of
    environment variables in its text."""

    packages: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()


def read_program_file(link: Link, path: str, user: str) -> ProgramFile:
    """Return what the program's file shows. `ldd` runs as `user`: it may execute the program."""
    return parse_program_file(link.run(file_script(path, user), check=False).out)


def file_script(path: str, user: str) -> str:
    """Return the script that prints what `parse_program_file` reads. It changes nothing."""
    known = "|".join(KNOWN)
    return f"""\
path={q(path)}
owner() {{ dpkg -S "$(readlink -f "$1")" "$1" 2>/dev/null | sed 's/:.*//' | head -n 1; }}
if [ "$(head -c 2 "$path" | tr -d '\\0')" = '#!' ]; then
  set -- $(head -n 1 "$path" | cut -c 3-)
  [ "${{1##*/}}" != env ] || shift
  echo "interpreter ${{1##*/}} $(owner "$(command -v "$1")")"
else
  setpriv --reuid={q(user)} --regid="$(id -g {q(user)})" --init-groups ldd "$path" 2>/dev/null |
  while read -r name arrow file _; do
    [ "$arrow" = '=>' ] || continue
    if [ "$file" != not ]; then echo "package $(owner "$file")"; continue; fi
    stem=${{name%%.so*}} version=${{name##*.so.}}
    case $stem in *[0-9]) package=$stem-$version ;; *) package=$stem$version ;; esac
    found=$(apt-cache show "$package" "${{package}}t64" 2>/dev/null | sed -n 's/^Package: //p')
    echo "missing $name $(echo "$found" | head -n 1)"
  done
fi
grep -aoE {q(known)} "$path" | sort -u | sed 's/^/variable /'
grep -aoE {q(READS)} "$path" | sort -u | sed 's/^/reads /'
true
"""


def parse_program_file(text: str) -> ProgramFile:
    """Return what the output of `file_script` says."""
    packages, missing, variables = [], {}, []
    for line in text.splitlines():
        kind, *words = line.split(" ", 2)
        if kind == "interpreter" and words:
            packages.append(_INTERPRETERS.get(words[0], words[1] if len(words) > 1 else ""))
        elif kind == "package" and words:
            packages.append(words[0])
        elif kind == "missing" and words:
            missing[words[0]] = words[1].strip() if len(words) > 1 else ""
        elif kind == "variable" and words:
            variables.append(words[0])
        elif kind == "reads" and (name := re.search(r"[A-Z][A-Z0-9_]+$", line)):
            variables.append(name[0])
    wanted = {name for name in packages if name and name not in _BASE}
    return ProgramFile(tuple(sorted(wanted)), missing, tuple(dict.fromkeys(variables)))
