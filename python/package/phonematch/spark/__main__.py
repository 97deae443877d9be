"""`python -m phonematch.spark --job nightly.toml`."""

import sys

from .entry import main

if __name__ == "__main__":
    sys.exit(main())
