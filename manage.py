#!/usr/bin/env python
"""Commands of Atrium. With the embedded database, a command starts it where the portal does not run already."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import ProgrammingError

    try:
        if len(sys.argv) > 1 and sys.argv[1] not in {"help", "--help", "--version", "collectstatic", "makemigrations"}:
            from portal.postgres import start_for_command

            start_for_command()
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Atrium can't start: {error}")
    except ProgrammingError as error:
        # 42P01: there is no such table.
        if getattr(error.__cause__, "sqlstate", "") != "42P01":
            raise
        sys.exit("The database is not prepared for this version yet. Start the portal once, or run: manage.py migrate")


if __name__ == "__main__":
    main()
