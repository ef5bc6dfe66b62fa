"""`python3 -m zeroproof_ros VERB`."""

import sys

from zeroproof_ros.cli import main

if __name__ == "__main__":
    sys.exit(main())
