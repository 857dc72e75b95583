"""The lab: real Debian hosts on one machine, as systemd-nspawn containers.

Start reading at `hosts` (the functions) and `names` (the hosts). `fabfile/` imports nothing from
here: the runbook reads the site file that a running lab writes, and drills run `python -m lab` as a
command.
"""
