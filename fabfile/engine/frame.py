"""The frame around a script and around its answer: what login files print is no part of either.

A login shell runs its own files before our command, and they may print, read our input, start
another shell, or never end. So the command is constant but for a token; the script follows on
stdin, and runs only if its first line has arrived.
"""

from __future__ import annotations

import re

from .shell import new_token

PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
"""What apt reads of the host's environment (apt-transport-http(1)); nothing else of ours may go
through a proxy."""

USE_PROXIES = "export " + " ".join(f'{name}="$HOST_{name.upper()}"' for name in PROXIES)
"""Shell text by which the rest of a script uses the host's proxies: for apt alone."""

FOREIGN = 97
"""Exit status where something else than our own sh reads the script, or reads only a part of it."""

NOISE = 65536
"""Bytes kept of what came before our script began."""

# A login file that reads stdin takes the script's head away: then the first line is another.
_CHECK = f'read -r head; test "$head" = "# $1" || exit {FOREIGN};'
_RUN = f'{_CHECK} exec /bin/sh -s "$1"'
# dash 0.5.12 reads ahead, so bytes that follow the script would be lost: here exactly `$2` bytes
# are the script.
_RUN_PART = f'{_CHECK} script=$(head -c "$2"); eval "$script"'

_ENVIRONMENT = f"""umask 022
export {" ".join(f'HOST_{name.upper()}="${{{name}-}}"' for name in PROXIES)}
set -f
for word in $(export -p); do
  name=${{word%%=*}}
  case $name in
    '' | HOST_*_PROXY | SHELLOPTS | BASHOPTS | [!A-Za-z_]* | *[!A-Za-z0-9_]*) ;;
    *) unset "$name" ;;
  esac
done
set +f
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
"""
"""A small fixed environment, in sh alone (each program started costs a millisecond): nothing of
the host's own leaks into what we run. A word of a value may look like a name: unsetting what is
not there does no harm."""


class Frame:
    """The markers of one script and of its answer; a new one for each script."""

    def __init__(self) -> None:
        self.token = new_token()
        self.begin = f"\n#~{self.token} begin\n".encode()
        self.end = re.compile(rf"\n#~{self.token} end (\d+)\n".encode())
        self.login = f"#~{self.token} login".encode()

    def command(self, root: str, followed: str = "") -> str:
        """The command for the login shell, the same text in sh, csh and fish: it says that the
        login files are done, and starts `root` (a root's sh), which runs the script on its stdin.

        Args:
            followed: the text that is sent (see `around`), where other bytes follow it.
        """
        # In two parts: a host that prints the command instead of running it does not print the
        # marker.
        here = f"echo '#~{self.token}'' login'"
        size = len(followed.partition("\n")[2].encode())  # the first line is read by itself
        load = f"'{_RUN_PART}' sh {self.token} {size}" if followed else f"'{_RUN}' sh {self.token}"
        return f"{here}; {root} -c {load}"

    def around(self, script: str) -> str:
        """`script` (see `shell.whole`) as it is sent. Another shell that reads it ends at the
        second line."""
        begin = f"printf '\\n#~{self.token} begin\\n'"
        end = f"printf '\\n#~{self.token} end %s\\n' $code"
        return (
            f"# {self.token}\ntest x$1 = x{self.token} || exit {FOREIGN}\nset --\n{_ENVIRONMENT}"
            f"{begin}; {begin} >&2\n(\n{script}\n)\ncode=$?\n{end}; {end} >&2\nexit $code\n"
        )


class Stream:
    """One of the two streams of an answer, as it comes in."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.noise = bytearray()
        """What came before our script began: the host's own words. The last NOISE bytes of it."""
        self.text = bytearray()
        """What our script printed, without the frame."""
        self.logged_in = False
        """The login shell has run our command."""
        self.begun = False
        self.code: int | None = None
        """Exit status of the script, once it has ended."""
        self._searched = 0

    def feed(self, block: bytes) -> None:
        """Take in the next bytes; those after the end are not ours."""
        if self.code is not None:
            return
        if self.begun:
            self.text += block
            self._find_end()
            return
        self.noise += block
        self.logged_in = self.logged_in or self._frame.login in self.noise
        before, begin, after = self.noise.partition(self._frame.begin)
        if begin:
            self.begun = True
            self.logged_in = True
            self.noise = before
            self.text = after
            self._find_end()
        else:
            del self.noise[:-NOISE]

    def _find_end(self) -> None:
        end = self._frame.end.search(self.text, self._searched)
        if end:
            self.code = int(end[1])
            del self.text[end.start() :]
        self._searched = max(
            0, len(self.text) - 64
        )  # longer than the marker, which may be half there

    def cut(self, rest: bytes) -> None:
        """Keep only `rest` of the text: what was before it has been used."""
        self.text, self._searched = bytearray(rest), 0

    def words(self) -> str:
        """The noise as text, without our own sign of life."""
        return self.noise.replace(self._frame.login, b"").decode(errors="replace")
