"""Print the coverage of all packages. Fail if a module under 85 % has no reason in this file.

python scripts/coverage_reasons.py coverage.json
"""

import json
import sys
from pathlib import Path

LIMIT = 85.0
REASONS: dict[str, str] = {}
"""Why the tests run less than LIMIT percent of a module's lines and branches."""


def main(report: str) -> int:
    """Print the totals and every module under the limit."""
    measured = json.loads(Path(report).read_text())
    covered = {
        path.replace("\\", "/").split("/src/")[-1]: entry["summary"]["percent_covered"]
        for path, entry in measured["files"].items()
    }
    low = {module: percent for module, percent in covered.items() if percent < LIMIT}
    totals = measured["totals"]
    lines = totals["covered_lines"] / totals["num_statements"]
    branches = totals["covered_branches"] / totals["num_branches"]
    print(f"{len(covered)} modules: {lines:.1%} of lines, {branches:.1%} of branches")
    for module, percent in sorted(low.items()):
        print(f"  {module}: {percent:.0f} %: {REASONS.get(module, 'NO REASON')}")
    for module in sorted(REASONS.keys() - low.keys()):
        print(f"  {module} has a reason, but it is not under {LIMIT:.0f} %")
    return 1 if REASONS.keys() ^ low.keys() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
