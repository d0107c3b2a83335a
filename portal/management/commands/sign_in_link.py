"""``manage.py sign_in_link --email …``: a link that signs a person in, once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import audit, second_factor
from portal.models import User
from portal.people import sign_in_link


class Command(BaseCommand):
    help = "Prints a link that signs this person in, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument(
            "--remove-second-factors",
            action="store_true",
            help="Also take away their authenticator app, recovery codes and passkeys, when these are lost.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is nobody with the address {options['email']}.")
        if options["remove_second_factors"]:
            audit.via.set("command")
            self.stdout.write(f"Second factors and passkeys taken away: {second_factor.remove(user)}.")
        self.stdout.write(sign_in_link(user))
