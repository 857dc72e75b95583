"""The table `[monitoring]` of a site file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from .kinds import BareUrl, MailAddress, MailLogin, MailServer


@dataclass(frozen=True)
class Monitoring:
    """What the monitoring host keeps, and whom it calls. It is used only on a site where a host has
    the role `monitoring`."""

    retention_mb: Annotated[int, Meta(ge=64, le=1_000_000)] = 2048
    """Megabytes of figures that Prometheus keeps. The oldest are dropped first."""
    mail_to: MailAddress = ""
    """The e-mail address that alerts go to. Empty: no e-mail."""
    mail_from: MailAddress = ""
    """The sender of that e-mail. Default: `mail_to`."""
    smtp: MailServer = ""
    """The mail server, as HOST:PORT. Needed with `mail_to`."""
    smtp_tls: bool = True
    """Whether the mail server must offer STARTTLS. Say false only for a server on the same
    host or in a trusted network."""
    smtp_user: MailLogin = ""
    """The user name at the mail server. Empty: no login."""
    smtp_password_file: Path | None = None
    """The file with the password of `smtp_user`."""
    webhook_file: Path | None = None
    """The file with the URL that alerts are posted to as JSON. The URL is a secret. For ntfy:
    `https://ntfy.sh/TOPIC?template=alertmanager`."""
    slack_file: Path | None = None
    """The file with the URL of a Slack webhook. The URL is a secret."""
    telegram_token_file: Path | None = None
    """The file with the token of a Telegram bot."""
    telegram_chat: Annotated[int, Meta(ge=-(10**15), le=10**15)] = 0
    """The id of the Telegram chat that the bot writes to. Needed with `telegram_token_file`."""
    telegram_url: BareUrl = "https://api.telegram.org"
    """The address of the Telegram Bot API: Telegram's, or your own server of it."""

    def missing_halves(self) -> list[tuple[str, str]]:
        """Settings that are given, each with the missing setting that it needs."""
        needs = {
            "mail_to": "smtp",
            "smtp_user": "smtp_password_file",
            "telegram_token_file": "telegram_chat",
        }
        return [
            (f"monitoring.{key}", f"monitoring.{half}")
            for key, half in needs.items()
            if getattr(self, key) and not getattr(self, half)
        ]
