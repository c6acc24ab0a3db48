"""``python -m normnex_pl``."""

from normnex_pl.cli.main import main

if __name__ == "__main__":
    main()
