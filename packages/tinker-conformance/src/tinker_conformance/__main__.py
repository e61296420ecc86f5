"""`python -m tinker_conformance` is `tinker-conformance`."""

import sys

from tinker_conformance.cli import main

if __name__ == "__main__":
    sys.exit(main())
