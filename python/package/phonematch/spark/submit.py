"""What `spark-submit` is given: `spark-submit …/phonematch/spark/submit.py --job nightly.toml`."""

import sys

from phonematch.spark.entry import main

if __name__ == "__main__":
    sys.exit(main())
