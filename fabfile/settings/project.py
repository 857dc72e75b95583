"""The folders of this project and its labs on the controller."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent

LABS = Path("/var/lib/runbook-lab")
"""Where a lab that is up leaves its site file: `<LABS>/<number>/site.toml`."""
