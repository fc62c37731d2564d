"""`python -m backtestkit_cli` is `btk`."""

if __name__ == "__main__":  # worker processes import this file as well
    from backtestkit_cli.cli.app import main

    main()
