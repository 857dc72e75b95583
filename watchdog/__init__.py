"""On an edge: ends a daemon that hangs, so that systemd or the daemon's own master starts it anew.

Runs on the hosts, with nothing but Python's standard library. `python3 -m watchdog UNIT=PORT/PATH
…`
"""
