"""`python -m rtemo` is `rtemo`."""

from rtemo.cli import main

main()
