"""`python -m tinker_local` is the `tinker-local` command."""

import sys

from tinker_local.cli.main import main

sys.exit(main())
