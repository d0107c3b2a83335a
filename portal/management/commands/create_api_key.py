"""``manage.py create_api_key``: an API key for somebody who is in a workspace; its text is the last line."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date

from portal import audit, keys
from portal.models import ApiKey, Membership, Workspace


class Command(BaseCommand):
    help = "Make an API key for a person of a workspace. The key is printed once, as the last line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", required=True, help="the workspace's slug, such as demo")
        parser.add_argument("--email", required=True, help="whose key it is")
        parser.add_argument("--scopes", default="read,ask", help=f"some of {','.join(ApiKey.SCOPES)}")
        parser.add_argument("--name", default="Made on the command line")
        parser.add_argument(
            "--expires", default="", help="after so many days, or at the end of a day (2027-01-31); left out: never"
        )

    def handle(self, *args: Any, workspace: str, email: str, scopes: str, name: str, **options: Any) -> None:
        audit.via.set("command")
        membership = self._membership(workspace, email)
        asked = [scope.strip() for scope in scopes.split(",") if scope.strip()]
        try:
            _key, text = keys.make_key(membership, name=name, scopes=asked, expires=_moment(options["expires"]))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(text)

    def _membership(self, slug: str, email: str) -> Membership:
        if not Workspace.objects.filter(slug=slug).exists():
            known = ", ".join(Workspace.objects.order_by("slug").values_list("slug", flat=True)[:10]) or "none yet"
            raise CommandError(f"There is no workspace {slug!r}; there are: {known}.")
        found = (
            Membership.objects.active()
            .select_related("user", "workspace")
            .filter(workspace__slug=slug, user__email__iexact=email)
            .first()
        )
        if found is None:
            raise CommandError(f"{email} is not an active member of {slug}. Invite them first, or check the address.")
        return found


def _moment(asked: str) -> datetime | None:
    """When a key ends, in the portal's time zone. Raises CommandError."""
    asked = asked.strip()
    if not asked:
        return None
    try:
        if asked.isdecimal():
            return timezone.now() + timedelta(days=int(asked))
        day = parse_date(asked)
    except (ValueError, OverflowError):
        day = None
    if day is None:
        raise CommandError(f"--expires takes a number of days, or a day such as 2027-01-31, not {asked!r}.")
    return timezone.make_aware(datetime.combine(day, time.max))
