"""The lab: real Debian hosts on one machine, as systemd-nspawn containers.

Start with `hosts` (what one can do) and `names` (what there is). Nothing here is imported by
`fabfile/`: the runbook reads the site file that a running lab leaves, and drills run `python -m
lab` as a command.
"""
