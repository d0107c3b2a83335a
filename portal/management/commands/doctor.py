"""``manage.py doctor``: what is configured, what answers, and what to do about what doesn't."""

from __future__ import annotations

import shutil
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand
from django.utils import timezone

from portal import postgres
from portal.checks import Found, ask
from portal.models import Credential, Workspace
from portal.registry import registries

NEEDED = frozenset({"database", "schema"})
"""Without these, what rests on the database is not asked."""


class Command(BaseCommand):
    help = (
        "Says what is configured, what answers, and what to do about what doesn't. Exits 1 if something needed fails."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self._configuration()
        failed = self._parts()
        if not failed & NEEDED:
            self._workspaces()
        if failed:
            raise SystemExit(1)

    def _configuration(self) -> None:
        self.stdout.write(f"Profile: {settings.PROFILE}")
        self.stdout.write(f"Data: {settings.DATA} ({_free()})")
        self.stdout.write(f"Address: {settings.BASE_URL}")
        roots = ", ".join(str(root) for root in settings.FOLDER_ROOTS)
        self.stdout.write(f"Folders that sources may read: {roots or 'none; set ATRIUM_FOLDER_ROOTS to allow some'}")
        self.stdout.write(f"Private hosts that may be reached: {', '.join(settings.PRIVATE_HOSTS) or 'none'}")

    def _parts(self) -> set[str]:
        """The names of those that failed."""
        failed: set[str] = set()
        trouble = _start_database()
        for name, check in registries.checks.items():
            if check.needs_database and failed & NEEDED:
                self._line("skipped", check.label, "It needs the database.")
                continue
            found = Found(False, trouble) if trouble and name == "database" else ask(check)
            self._line("ok" if found.ok else "FAILED", check.label, found.words)
            if not found.ok:
                failed.add(name)
        return failed

    def _line(self, state: str, label: str, words: str) -> None:
        self.stdout.write(f"  {state:<7}  {label}: {words}")

    def _workspaces(self) -> None:
        for workspace in Workspace.objects.order_by("slug"):
            model = workspace.default_model or "none: answers quote the sources (add a key under Govern, Credentials)"
            self.stdout.write(f"Workspace {workspace.slug}: model {model}")
            for credential in Credential.objects.filter(workspace=workspace).order_by("name"):
                self.stdout.write(f"  {credential.kind} {credential.name}: {_last_test(credential)}")


def _start_database() -> str:
    """The embedded one has to run first; gives why it does not."""
    try:
        postgres.start()
    except ImproperlyConfigured as error:
        return str(error)
    except psycopg.Error as error:
        return f"The embedded database does not answer ({error}): {settings.POSTGRES_DIR}/log says more."
    return ""


def _last_test(credential: Credential) -> str:
    """Keys are not tried here: a call may cost, and vendors count."""
    if credential.checked is None:
        return "never tested; test it under Govern, Credentials"
    when = f"{(timezone.now() - credential.checked).days} d ago"
    if credential.check_ok:
        return f"ok ({when})"
    return f"does not work: {credential.check_message} ({when}). Mend it under Govern, Credentials"


def _free() -> str:
    """What the disk has left; the directory may not be there yet."""
    place = next((p for p in (settings.DATA, *settings.DATA.parents) if p.exists()), settings.DATA)
    return f"{shutil.disk_usage(place).free / 1024**3:.1f} GB free"
