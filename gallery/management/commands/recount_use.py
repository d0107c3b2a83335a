"""Counts use anew from the messages that there are, and ranks the gallery by it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from assistants import uses
from gallery import standing
from portal.models import Workspace


class Command(BaseCommand):
    help = "Counts people's use of assistants anew from the messages that there are, and ranks the gallery by it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", help="the slug of one workspace; left out, all of them")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["workspace"]
        workspace = Workspace.objects.filter(slug=slug).first() if slug else None
        if slug and workspace is None:
            raise CommandError(f"There is no workspace {slug}.")
        rows = uses.rebuild(workspace)
        ranked = standing.refresh_all(everything=True, workspace=workspace)
        self.stdout.write(f"Counted: {rows} days of use by a person; ranked: {ranked} assistants.")
