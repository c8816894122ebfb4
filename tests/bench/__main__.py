"""`make bench`, or `python -m tests.bench [plan|issue|start|zones|pods|soak ...]`: prints figures, judges nothing."""

from __future__ import annotations

import argparse

from tests.bench import issue, planning, pods, soak, start, zones

MEASURES = ("plan", "issue", "start", "zones", "pods", "soak")


def main() -> None:
    """Run the measurements that were asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="|".join(MEASURES), help="all when none is named")
    parser.add_argument("--channels", type=int, default=1000, help="of issue (default %(default)s)")
    parser.add_argument("--resources", type=int, default=5000, help="of start (default %(default)s)")
    parser.add_argument("--zones", type=int, default=500, help="of zones (default %(default)s)")
    parser.add_argument("--pods", type=int, default=2000, help="of pods (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=30.0, help="of soak (default %(default)s)")
    given = parser.parse_args()
    unknown = set(given.measures) - set(MEASURES)
    if unknown:
        parser.error(f"no such measure: {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    for name in given.measures or MEASURES:
        _run(name, given)


def _run(name: str, given: argparse.Namespace) -> None:
    if name == "plan":
        planning.measure()
    elif name == "issue":
        issue.measure(given.channels)
    elif name == "start":
        start.measure(given.resources)
    elif name == "zones":
        zones.measure(given.zones)
    elif name == "pods":
        pods.measure(given.pods)
    else:
        soak.measure(given.minutes)


if __name__ == "__main__":
    main()
