"""`python3 -m watchdog haproxy.service=8081/edge-health …` watches these units for ever."""

import sys

from .run import main

main(sys.argv[1:])
