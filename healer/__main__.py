"""`python3 -m healer run CONFIG`, or `lift CONFIG`: take back what a healer that was killed left
at the edges."""

import sys

from .run import main

main(sys.argv[1:])
