"""``python -m normnex_pl``."""

from normnex_pl.cli import main

if __name__ == "__main__":
    main()
