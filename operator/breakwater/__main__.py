"""python -m breakwater."""

from breakwater.cli.main import main

main()
