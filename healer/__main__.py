"""`python3 -m healer run CONFIG` runs the healer for ever.

`python3 -m healer lift CONFIG` removes the drain and the lease that a killed healer left at the
edges.
"""

import sys

from .run import main

main(sys.argv[1:])
