"""The lab: real Debian hosts on one machine, as systemd-nspawn containers.

Start with `hosts` (what one can do) and `names` (what there is). Nothing here is imported by
`fabfile/`: the runbook knows the lab only by the site file it writes.
"""
