"""``python -m normnex_pl.capture``."""

import sys

from normnex_pl.capture.cli import main

sys.exit(main())
