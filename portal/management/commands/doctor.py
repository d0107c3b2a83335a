"""``manage.py doctor``: what is configured, what answers, and what to do about what doesn't."""

from __future__ import annotations

import shutil
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from portal.models import Credential, Workspace
from portal.registry import registries


class Command(BaseCommand):
    help = (
        "Says what is configured, what answers, and what to do about what doesn't. Exits 1 if something needed fails."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self._configuration()
        failed = self._parts()
        self._workspaces()
        if failed:
            raise SystemExit(1)

    def _configuration(self) -> None:
        self.stdout.write(f"Profile: {settings.PROFILE}")
        free = shutil.disk_usage(settings.DATA).free // 1024**3
        self.stdout.write(f"Data: {settings.DATA} ({free} GB free)")
        self.stdout.write(f"Address: {settings.BASE_URL}")
        roots = ", ".join(str(r) for r in settings.FOLDER_ROOTS if r != settings.GUIDE_DIR)
        self.stdout.write(f"Folders that sources may read: {roots or 'none; set ATRIUM_FOLDER_ROOTS to allow some'}")
        self.stdout.write(f"Private hosts that may be reached: {', '.join(settings.PRIVATE_HOSTS) or 'none'}")
        self.stdout.write(f"Mail: {settings.EMAIL_BACKEND.rsplit('.', 2)[-2]}")

    def _parts(self) -> bool:
        failed = False
        for _, check in registries.checks.items():  # noqa: PERF102  not a dict: in order of weight
            try:
                self.stdout.write(f"  ok      {check.label}: {check.run()}")
            except Exception as error:  # noqa: BLE001  any part may fail in its own way; all of them are told
                failed = failed or check.ready
                self.stdout.write(f"  {'FAILED' if check.ready else 'note  '}  {check.label}: {error}")
        return failed

    def _workspaces(self) -> None:
        for workspace in Workspace.objects.order_by("slug"):
            model = workspace.default_model or "none: answers quote the sources (add a key under Govern, Credentials)"
            self.stdout.write(f"Workspace {workspace.slug}: model {model}")
            for credential in Credential.objects.filter(workspace=workspace):
                if credential.checked is None:
                    state = "never tested"
                else:
                    age = timezone.now() - credential.checked
                    state = f"{'ok' if credential.check_ok else credential.check_message} ({age.days} d ago)"
                self.stdout.write(f"  {credential.kind} {credential.name}: {state}")
