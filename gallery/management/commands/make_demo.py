"""``manage.py make_demo``: a small company to look at, with some weeks of use behind it; and links to sign in with."""

from __future__ import annotations

import time
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from datasources.reading import open_index
from datasources.retrieval.edge_process import IndexLocked
from datasources.retrieval.types import IndexUnavailable
from gallery.demo import told
from gallery.demo.dates import Calendar
from gallery.demo.making import make
from gallery.demo.removing import remove
from portal import audit
from portal.models import User, Workspace
from portal.people import sign_in_link

TRY = {
    "admin": "Govern: the dashboard, @deal-desk in the vetting queue, @deal-hygiene without an owner",
    "builder": "Assistants, @first-line: a draft that waits for its vetting; what was asked and not answered",
    "member": "type “A Trellis blinks red” at home, take the assistant that is offered, say what the answer was worth",
}


class Command(BaseCommand):
    help = "Makes the workspace of a small company, with documents, a Slack export, tables, people, assistants and use. Once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--remove", action="store_true", help="take the demo out again, with its people")

    def handle(self, *args: Any, **options: Any) -> None:
        company = told.read("company")
        slug = company["workspace"]["slug"]
        audit.via.set("command")
        if options["remove"]:
            self._remove(slug, company["domain"])
            return
        if Workspace.objects.filter(slug=slug).exists():
            self.stdout.write(f"The workspace {slug} of the demo is there already.")
        else:
            self._make(slug)
        self._links(company)

    def _make(self, slug: str) -> None:
        began = time.monotonic()
        self._need_index()
        self.stdout.write(f"Making the workspace {slug}: a company that makes sensors for greenhouses. About a minute…")
        try:
            make(Calendar(timezone.localdate()), say=self._say)
        except (ValidationError, TimeoutError) as error:
            message = "; ".join(error.messages) if isinstance(error, ValidationError) else str(error)
            raise CommandError(
                f"{message} The workspace {slug} is not whole: delete it in the admin, and try again."
            ) from error
        self.stdout.write(f"The workspace {slug} is there ({time.monotonic() - began:.0f} s).")

    def _need_index(self) -> None:
        try:
            open_index().info()
        except IndexLocked as error:
            raise CommandError("A portal runs on this data directory. Stop it, and try again.") from error
        except IndexUnavailable as error:
            raise CommandError(str(error)) from error

    def _remove(self, slug: str, domain: str) -> None:
        self._need_index()
        gone = remove(slug, domain)
        self.stdout.write(
            f"The workspace {slug} of the demo is gone." if gone else f"There is no workspace {slug} that could go now."
        )

    def _say(self, words: str) -> None:
        self.stdout.write(f"  {words}")
        self.stdout.flush()

    def _links(self, company: dict[str, Any]) -> None:
        """Each is good once."""
        for short, one in company["people"].items():
            user = User.objects.filter(email=f"{short}@{company['domain']}", is_active=True).first()
            if "try" in one and user is not None:
                self.stdout.write(f"Sign in as {one['name']}, {one['try']}, once: {sign_in_link(user)}")
                self.stdout.write(f"  Try: {TRY[one['try']]}.")
