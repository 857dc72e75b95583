"""The service of this project."""

from __future__ import annotations

from msgspec import toml

from .project import PROJECT
from .service import Service

SERVICE = toml.decode((PROJECT / "services/bingo/service.toml").read_bytes(), type=Service)
