"""Side by side, in one run, on the lab (deployed and otherwise idle).

    python -m bench                    a no-op deploy, and one Fabric run per step
    python -m bench --rivals           also ansible-core and pyinfra, installed into .bench-venv at
                                       first use
    python -m bench --upload           also the peak memory while a 100 MB binary is uploaded
                                       (restarts the lab's app)
    python -m bench --edge             instead: what the edge costs, in latency and in throughput
    python -m bench --soak 30          instead: minutes of users while both nodes die once a minute
                                       (inv lab.up --deaths 60)

Prints tables and writes bench/result.json, result-edge.json or result-soak.json.
"""

from __future__ import annotations

import argparse


def main() -> None:
    """Measure, print and store the result."""
    from fabfile.settings.site_file import load_settings, locate_site

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, help="counted runs of each (7; of the edge 3)")
    parser.add_argument("--rivals", action="store_true", help="also ansible-core and pyinfra")
    parser.add_argument(
        "--upload", action="store_true", help="also the peak memory of a 100 MB upload"
    )
    parser.add_argument("--edge", action="store_true", help="what the edge costs, and nothing else")
    parser.add_argument(
        "--soak", type=float, metavar="MINUTES", help="users while nodes die, and nothing else"
    )
    asked = parser.parse_args()
    if asked.soak:
        from . import soak

        soak.measure_soak(load_settings(locate_site()), asked.soak)
    elif asked.edge:
        from . import edge

        edge.compare_ways(load_settings(locate_site()), asked.runs or 3)
    else:
        from . import deploys

        deploys.compare_deploys(
            locate_site(), asked.runs or 7, rivals=asked.rivals, with_upload=asked.upload
        )


if __name__ == "__main__":
    main()
