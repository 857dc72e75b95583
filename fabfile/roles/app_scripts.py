"""The scripts on an app node that ask the app: is it ready, and does it pass the gate?"""

from __future__ import annotations

from ..engine.step import Step
from ..settings.paths import TOOLS
from ..settings.program_texts import ProgramTexts
from ..settings.service import Service
from ..settings.template import render_template
from ..steps.file import File
from .gate_calls import HEADERS, list_pages, list_reads, needs_names
from .health_page import is_plain, write_request
from .health_script import match_in_bash, quote_bash


def app_scripts(texts: ProgramTexts) -> list[Step]:
    """The scripts, and the headers that the gate sends."""
    service = texts.service
    lines = [f"{name}: {value.reveal()}\n" for name, value in texts.fill_headers().items()]
    calls = [*list_pages(service), *list_reads(service)] if needs_names(service) else []
    gate = render_template("app/app-gate", calls=calls, headers=HEADERS if lines else "")
    return [
        File(f"{TOOLS}/app-ready", _ready_text(service), mode=0o755),
        File(f"{TOOLS}/app-gate", gate, mode=0o755),
        *([File(HEADERS, "".join(lines), mode=0o600)] if lines else []),
    ]


def _ready_text(service: Service) -> str:
    page = service.health.live
    single = f'[ "$status" = {page.status[0]} ]'
    several = f"[[ $status =~ ^({'|'.join(map(str, page.status))})$ ]]"
    return render_template(
        "app/ready",
        request="" if is_plain(page) else quote_bash(write_request(page)),
        statuses=page.status,
        is_well=single if len(page.status) == 1 else several,
        right=match_in_bash(page.equals, page.body, page.not_contains),
    )
