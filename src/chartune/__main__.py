"""`python -m chartune`: the command line where the interpreter is named, as on a machine with several."""

from chartune.cli import main

if __name__ == "__main__":
    main()
