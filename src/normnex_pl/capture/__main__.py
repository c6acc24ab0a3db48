"""``python -m normnex_pl.capture``."""

import sys

from normnex_pl.cli.prepare import main

sys.exit(main())
