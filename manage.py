#!/usr/bin/env python
"""Lectern's command line: `manage.py help` lists what it can do."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError
    from psycopg_pool import PoolTimeout

    from project.local import LocalError

    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, LocalError) as exc:
        sys.exit(str(exc))
    except (OperationalError, PoolTimeout) as exc:
        sys.exit(f"The database does not answer. Is Lectern running? Start it with `make run`. ({exc})")


if __name__ == "__main__":
    main()
