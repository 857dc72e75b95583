"""Check a TLS server against Mozilla's intermediate profile, with sslyze."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ..engine.addresses import is_ip
from ..engine.errors import RunbookError
from .tls import Secure

if TYPE_CHECKING:
    from sslyze import ServerScanResult
    from sslyze.mozilla_tls_profile.tls_config_checker import TlsConfigurationAsJson

PROFILE = "Mozilla's intermediate profile 6.0"


def profile_issues(secure: Secure) -> list[str]:
    """The deviations that sslyze finds, one sentence each; empty if the server is compliant.

    A certificate that cannot be verified is no issue if no authority is known, because a
    self-signed certificate is allowed (R14). Blocks for a second or more.

    Raises:
        RunbookError: sslyze could not finish its scan.
    """
    from sslyze.mozilla_tls_profile import tls_config_checker as mozilla

    with warnings.catch_warnings():
        # sslyze's own trust stores contain old authorities, and loading them warns.
        warnings.simplefilter("ignore")
        result = _scan_server(secure)
    try:
        mozilla.check_server_against_tls_configuration(result, _intermediate_profile())
    except mozilla.ServerNotCompliantWithTlsConfiguration as found:
        ignored = "" if secure.bundle else "certificate_path_validation"
        return [" ".join(text.split()) for issue, text in found.issues.items() if issue != ignored]
    except mozilla.ServerScanResultIncomplete as error:
        trace = result.connectivity_error_trace
        raise RunbookError(
            f"sslyze could not finish: {trace.exc_type.__name__ if trace else error}",
            "the TLS profile was not checked",
            f"python -m sslyze --mozilla_config intermediate {secure.host}:{secure.port}",
        ) from None
    return []


def _intermediate_profile() -> TlsConfigurationAsJson:
    """Version 6.0 of the profile, made from the 5.7 that sslyze 6.3 contains.

    Version 6.0 dropped the DHE suites and added the group X25519MLKEM768, which sslyze cannot
    detect yet.
    """
    from sslyze.mozilla_tls_profile.tls_config_checker import (
        MozillaTlsConfiguration,
        TlsConfigurationEnum,
    )

    profile = MozillaTlsConfiguration.get(TlsConfigurationEnum.MOZILLA_INTERMEDIATE)
    suites = {suite for suite in profile.ciphers.iana if "_DHE_" not in suite}
    ciphers = profile.ciphers.model_copy(update={"iana": suites})
    return profile.model_copy(
        update={"ciphers": ciphers, "tls_curves": profile.tls_curves | {"X25519MLKEM768"}}
    )


def _scan_server(secure: Secure) -> ServerScanResult:
    from sslyze import (
        CertificateInfoExtraArgument,
        ScanCommandsExtraArguments,
        Scanner,
        ServerNetworkConfiguration,
        ServerNetworkLocation,
        ServerScanRequest,
    )
    from sslyze.mozilla_tls_profile.tls_config_checker import (
        SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER as NEEDED,
    )

    address = secure.host if is_ip(secure.host) else None
    extra = ScanCommandsExtraArguments()
    if secure.bundle:
        extra = ScanCommandsExtraArguments(CertificateInfoExtraArgument(secure.bundle))
    request = ServerScanRequest(
        ServerNetworkLocation(secure.server_name, secure.port, address),
        ServerNetworkConfiguration(secure.server_name),
        set(NEEDED),
        extra,
    )
    scanner = Scanner(per_server_concurrent_connections_limit=5)
    scanner.queue_scans([request])
    return next(iter(scanner.get_results()))
