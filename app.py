"""Starts the studio: `python app.py`, the same as the command `trl-studio`."""

import sys

from studio.cli import main

if __name__ == "__main__":
    sys.exit(main())
