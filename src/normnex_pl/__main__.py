"""``python -m normnex_pl``: the command ``normnex``."""

from normnex_pl.cli.main import main

if __name__ == "__main__":
    main()
