"""The parts of a service file that drills and the lab need: faults, and where the binary is."""

from __future__ import annotations

from msgspec import field

from .kinds import Method, UrlPath
from .program import ServiceTable


class FaultRequest(ServiceTable, frozen=True):
    """The request of a fault."""

    path: UrlPath
    """The path of the request."""
    method: Method = "POST"
    """Its method."""
    body: str = ""
    """Its body."""


class FaultCall(ServiceTable, frozen=True):
    """A request that makes its process fail. Drills send it on the node itself."""

    what: str
    """What the process does then, in words."""
    request: FaultRequest
    """The request that makes it fail."""


class LabSource(ServiceTable, frozen=True):
    """Where the lab gets the binary: a Debian package, a Python wheel or an npm package, and the
    file in it."""

    file: str
    """The path of the binary in the package. `*` stands for any text."""
    deb: str = ""
    """A Debian package."""
    suite: str = ""
    """The suite of Debian that has it, like trixie."""
    wheel: str = ""
    """A Python package with a wheel."""
    npm: str = ""
    """An npm package."""
    version: str = ""
    """The version of the Python or npm package."""


class LabBinaries(ServiceTable, frozen=True):
    """How the lab gets the binary, and a second release of it."""

    build: str = ""
    """A folder of this project that builds it."""
    origin: LabSource | None = field(default=None, name="from")
    """The first release."""
    next: LabSource | None = None
    """The release that `inv lab.release next` makes."""
