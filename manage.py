#!/usr/bin/env python
"""Commands of Atrium. With the embedded database, a command starts it where the portal does not run already."""

import os
import sys

# These ask nothing of a database; doctor tells by itself how it is.
_WITHOUT_DATABASE = frozenset({"help", "--help", "--version", "collectstatic", "makemigrations", "doctor"})


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, ProgrammingError

    try:
        if len(sys.argv) > 1 and sys.argv[1] not in _WITHOUT_DATABASE:
            from portal.postgres import start_for_command
            from portal.reaching import Unreachable, reach_database

            start_for_command()
            try:
                reach_database()
            except Unreachable as error:
                sys.exit(f"Atrium can't start: {error}")
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Atrium can't start: {error}")
    except OperationalError as error:
        # 08 and 57P: the connection broke. Anything else (a deadlock, a full disk) is not about reaching the database.
        state = getattr(error.__cause__, "sqlstate", "") or ""
        if state and not state.startswith(("08", "57P")):
            raise
        from portal.reaching import database_trouble

        sys.exit(str(database_trouble(error)))
    except ProgrammingError as error:
        # 42P01: there is no such table.
        if getattr(error.__cause__, "sqlstate", "") != "42P01":
            raise
        sys.exit("The database is not prepared for this version yet. Start the portal once, or run: manage.py migrate")


if __name__ == "__main__":
    main()
