"""The watchdog on an edge: kills a daemon that hangs, so that systemd or its master restarts it.

It runs on the host with Python's standard library alone: `python3 -m watchdog UNIT=PORT/PATH …`
"""
