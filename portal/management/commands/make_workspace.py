"""``manage.py make_workspace --slug … --email …``: a workspace with its admin."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from portal.models import User
from portal.people import make_person, make_workspace, sign_in_link


class Command(BaseCommand):
    help = "Makes a workspace with an admin, and prints a link that signs the admin in, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--slug", required=True)
        parser.add_argument("--name", default="")
        parser.add_argument(
            "--email", required=True, help="the admin's address; an account is made where there is none"
        )
        parser.add_argument(
            "--operator", action="store_true", help="the admin also sees all workspaces of the installation"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():
                admin = User.objects.filter(email__iexact=options["email"]).first()
                admin = admin or make_person(email=options["email"])
                if options["operator"]:
                    admin.is_staff = admin.is_superuser = True
                    admin.save(update_fields=["is_staff", "is_superuser"])
                name = options["name"] or options["slug"].replace("-", " ").title()
                make_workspace(slug=options["slug"], name=name, admin=admin)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(sign_in_link(admin))
