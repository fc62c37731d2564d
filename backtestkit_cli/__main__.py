"""`python -m backtestkit_cli` is `btk`."""

from backtestkit_cli.cli.app import main

if __name__ == "__main__":  # worker processes import this file as well
    main()
