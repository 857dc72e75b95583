"""Frame a script and its answer, so that the output of login files cannot mix with either.

A login shell runs its own files before our command. These files may print, read our input, start
another shell, or never end. So our command is constant except for a token. The script follows on
stdin, and runs only if its first line has arrived.
"""

from __future__ import annotations

import re

from .shell import new_token

PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
"""Variables of the host's environment that apt reads (apt-transport-http(1)). Nothing else that we
run may use a proxy."""

USE_PROXIES = "export " + " ".join(f'{name}="$HOST_{name.upper()}"' for name in PROXIES)
"""Shell text that makes the rest of a script use the host's proxies. Use it for apt only."""

FOREIGN = 97
"""Exit status when another program than our sh reads the script, or when a part is missing."""

NOISE = 65536
"""Bytes that are kept of the output before our script began."""

# A login file that reads stdin swallows the start of the script: then the first line differs.
TAKES_SCRIPT = "read -r head;"
"""How each command begins that this tool gives to sudo."""

_CHECK = f'{TAKES_SCRIPT} test "$head" = "# $1" || exit {FOREIGN};'
_RUN = f'{_CHECK} exec /bin/sh -s "$1"'
# dash 0.5.12 reads ahead, so bytes that follow the script would be lost. Here the script is exactly
# `$2` bytes long.
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
"""Shell text that sets a small fixed environment, so that nothing of the host's environment affects
our scripts. It starts no program, because each costs a millisecond. A word of a value may be taken
for a name: unsetting a name that does not exist does no harm."""


class Frame:
    """The markers of one script and its answer. Each script needs a new frame."""

    def __init__(self) -> None:
        self.token = new_token()
        self.begin = f"\n#~{self.token} begin\n".encode()
        self.end = re.compile(rf"\n#~{self.token} end (\d+)\n".encode())
        self.login = f"#~{self.token} login".encode()

    def command(self, root_shell: str, text_before_input: str = "") -> str:
        """The command for the login shell; the same text works in sh, csh and fish.

        It prints the marker of the login, and starts `root_shell`, which runs the script that
        comes on stdin.

        Args:
            text_before_input: the framed script (see `around`), if input follows it on stdin.
        """
        # The marker is in two parts: a host that prints the command instead of running it does
        # not print the marker.
        print_marker = f"echo '#~{self.token}'' login'"
        if text_before_input:
            size = len(text_before_input.partition("\n")[2].encode())  # `read` takes the first line
            load = f"'{_RUN_PART}' sh {self.token} {size}"
        else:
            load = f"'{_RUN}' sh {self.token}"
        return f"{print_marker}; {root_shell} -c {load}"

    def around(self, script: str) -> str:
        """The text to send for `script` (from `shell.wrap_script`).

        Another shell that reads the text ends at its second line.
        """
        begin = f"printf '\\n#~{self.token} begin\\n'"
        end = f"printf '\\n#~{self.token} end %s\\n' $code"
        return (
            f"# {self.token}\ntest x$1 = x{self.token} || exit {FOREIGN}\nset --\n{_ENVIRONMENT}"
            f"{begin}; {begin} >&2\n(\n{script}\n)\ncode=$?\n{end}; {end} >&2\nexit $code\n"
        )


class Stream:
    """One output stream (stdout or stderr) of an answer, parsed as it arrives."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.noise = bytearray()
        """The last NOISE bytes that the host printed before our script began."""
        self.text = bytearray()
        """The output of our script, without the frame."""
        self.logged_in = False
        """Whether the login shell has run our command."""
        self.begun = False
        self.code: int | None = None
        """Exit status of the script, once it has ended."""
        self._searched = 0

    def feed(self, block: bytes) -> None:
        """Parse the next bytes. Bytes after the end of our script are dropped."""
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
        # The marker may have arrived in part: search the last 64 bytes again, it is shorter.
        self._searched = max(0, len(self.text) - 64)

    def replace_text(self, rest: bytes) -> None:
        """Keep only `rest` of the text, when the part before it has been used."""
        self.text, self._searched = bytearray(rest), 0

    def noise_text(self) -> str:
        """`noise` as text, without our login marker."""
        return self.noise.replace(self._frame.login, b"").decode(errors="replace")
