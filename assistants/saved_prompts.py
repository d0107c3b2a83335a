"""Saved prompts: what the composer's ``/`` inserts. All verbs raise Refused with a sentence.

They are a person's own, as a draft is: nothing of them goes into the audit log, and no admin reads them.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import Case, QuerySet, Value, When
from django.db.models.functions import Lower

from assistants.errors import Refused
from assistants.models import SavedPrompt
from portal.models import Membership

MOST = 200
"""Saved prompts of one person in one workspace."""


def prompts_of(membership: Membership, typed: str = "") -> QuerySet[SavedPrompt]:
    """One's own, by name. With ``typed`` those whose name has all its words; a name that begins with it comes first."""
    found = SavedPrompt.objects.filter(membership=membership)
    for word in typed.split()[:8]:
        found = found.filter(name__icontains=word)
    begins = Case(When(name__istartswith=typed.strip(), then=Value(0)), default=Value(1))
    return found.order_by(begins, Lower("name")) if typed.strip() else found.order_by(Lower("name"))


@transaction.atomic
def save_prompt(membership: Membership, name: str, text: str) -> SavedPrompt:
    # Two at once could come to one more than there may be, which harms nobody.
    if SavedPrompt.objects.filter(membership=membership).count() >= MOST:
        raise Refused("invalid", f"You have {MOST} saved prompts, and there is room for no more. Delete one first.")
    return _stored(SavedPrompt(membership=membership), name, text)


@transaction.atomic
def change_prompt(prompt: SavedPrompt, *, name: str | None = None, text: str | None = None) -> SavedPrompt:
    """None leaves it as it is now, whatever it was when ``prompt`` was read."""
    row = SavedPrompt.objects.select_for_update().filter(pk=prompt.pk).first()
    if row is None:
        raise Refused("not_found", "This prompt was deleted meanwhile.")
    return _stored(row, row.name if name is None else name, row.text if text is None else text)


def delete_prompt(prompt: SavedPrompt) -> None:
    prompt.delete()


def _stored(prompt: SavedPrompt, name: str, text: str) -> SavedPrompt:
    prompt.name, prompt.text = " ".join(name.split()), text.strip()
    if not prompt.name or not prompt.text:
        raise Refused("invalid", "A saved prompt has a name and a text.")
    try:
        with transaction.atomic():
            prompt.save()
    except IntegrityError:
        raise Refused("name_taken", f"You have a saved prompt “{prompt.name}” already. Choose another name.") from None
    return prompt
