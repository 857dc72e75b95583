"""Rules about what every host has: units, disks, clocks; and about the eyes themselves. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..settings.settings import Settings
from .rule import HOST, AlertRule

WRONG_CLOCK = 0.5
"""Seconds; R21 allows 1."""


def unit_rules(pages: Mapping[str, str]) -> Iterator[AlertRule]:
    """Units that must run and do not."""
    others = "|".join(pages)
    chosen = {page: f'unit="{unit}"' for unit, page in pages.items()}
    for page, which in {**chosen, "unit-off": f'unit!~"{others}"'}.items():
        yield AlertRule(
            page,
            f"runbook_unit_active{{{which}}} == 0",
            "1m",
            "inform",
            f"{{{{ $labels.unit }}}} on {HOST} does not run",
            "nothing yet, if no other alert says more",
            f"fab -H {HOST} status",
            {"what": "unit"},
        )


def _disk_rules() -> Iterator[AlertRule]:
    """File systems that are nearly full, and those that are full."""
    # Not all of tmpfs: logs may be kept in memory, and fill up there as on a disk.
    real = '{fstype!="iso9660",mountpoint!~"/(boot|dev|proc|run|sys|tmp).*"}'
    for what, free, size in (
        ("bytes", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"),
        ("inodes", "node_filesystem_files_free", "node_filesystem_files"),
    ):
        for limit, severity, felt in (
            (10, "inform", "nothing until it is full; then whatever writes there fails"),
            (1, "page", "errors, now or soon: whatever writes there fails"),
        ):
            yield AlertRule(
                "disk-full",
                f"100 * {free}{real} / ({size}{real} > 0) < {limit}",
                "1m",
                severity,
                f'{{{{ $labels.mountpoint }}}} on {HOST} has {{{{ $value | printf "%.0f" }}}} %'
                f" of its {what} left",
                felt,
                "fab incident.disk-full",
                {"what": what},
            )


def host_rules(settings: Settings) -> Iterator[AlertRule]:
    """Disks, logs, clocks, pending restarts."""
    yield from _disk_rules()
    # logrotate acts once a minute at log_max_mb; twice that is the bound of R22.
    yield AlertRule(
        "log-rotation",
        f"runbook_log_bytes > {2 * settings.app.log_max_mb} * 1024 * 1024",
        "2m",
        "inform",
        f"the app's log on {HOST} is {{{{ $value | humanize1024 }}}}B: it is not rotated",
        "nothing until the disk is full",
        f"fab -H {HOST} status",
    )
    yield AlertRule(
        "clock",
        f"abs(node_time_seconds - timestamp(node_time_seconds)) > {WRONG_CLOCK}",
        "30s",
        "inform",
        f'the clock of {HOST} is {{{{ $value | printf "%.1f" }}}} s off the monitoring host\'s',
        "nothing at first; cached answers may be too old, logs mislead",
        "fab incident.clock",
        {"what": "offset"},
    )
    yield AlertRule(
        "clock",
        "node_timex_sync_status == 0 unless on (host) runbook_container == 1",
        "30m",
        "inform",
        f"nothing keeps the clock of {HOST} right",
        "nothing until it is a second off",
        "fab incident.clock",
        {"what": "not kept"},
    )
    yield AlertRule(
        "pending-restart",
        "time() - runbook_pending_since_seconds > 900",
        "1m",
        "inform",
        f"{HOST}: {{{{ $labels.name }}}} is pending (a change is not in effect)",
        "nothing yet, or the fault that the change was to repair",
        "fab plan",
    )


def own_rules() -> Iterator[AlertRule]:
    """The monitoring itself: exporters, figures, and the delivery of alerts."""
    yield AlertRule(
        "monitoring",
        'up{job!="node"} == 0 unless on (host) (up{job="node"} == 0)',
        "2m",
        "inform",
        f"{HOST}: the exporter of {{{{ $labels.job }}}} does not answer",
        "nothing, but what happens there is not seen",
        f"fab -H {HOST} status",
        {"what": "exporter"},
    )
    yield AlertRule(
        "monitoring",
        "time() - runbook_figures_seconds > 60",
        "30s",
        "inform",
        f"{HOST}: what host-figures reports is {{{{ $value | humanizeDuration }}}} old",
        "nothing, but its units, drains and logs are not seen",
        f"fab -H {HOST} status",
        {"what": "figures"},
    )
    yield AlertRule(
        "monitoring",
        "sum by (integration) (increase(alertmanager_notifications_failed_total[5m])) > 0",
        "0s",
        "inform",
        "alerts by {{ $labels.integration }} do not reach anybody",
        "nothing, but nobody may be called",
        "fab status",
        {"what": "delivery"},
    )
