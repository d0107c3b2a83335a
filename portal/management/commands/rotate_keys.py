"""``manage.py rotate_keys``: encrypt every stored secret with the first of ATRIUM_ENCRYPTION_KEYS."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand
from django.db import transaction

from portal import events, second_factor
from portal.models import Credential
from portal.secrets import rotate


class Command(BaseCommand):
    help = "Encrypts every stored secret with the first of ATRIUM_ENCRYPTION_KEYS; after it, the older ones can be dropped."

    def handle(self, *args: Any, **options: Any) -> None:
        done, lost = 0, []
        with transaction.atomic():
            for credential in Credential.objects.select_for_update().exclude(secret_encrypted=b""):
                try:
                    credential.secret_encrypted = rotate(bytes(credential.secret_encrypted))
                except InvalidToken:
                    lost.append(str(credential))
                    continue
                credential.save(update_fields=["secret_encrypted"])
                done += 1
            factors, unread = second_factor.turn()
            turned = events.KeysTurned([], [])
            events.send(turned)
            done, lost = done + factors + len(turned.done), [*lost, *unread, *turned.lost]
        self.stdout.write(f"{done} secrets are encrypted with the newest key.")
        if lost:
            self.stdout.write(f"Could not be read with any key, enter them again: {', '.join(lost)}")
            raise SystemExit(1)
