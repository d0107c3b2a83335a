"""Which model embeds a workspace's passages, for forms of a lower floor."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import Count, Q, Sum

from datasources.estimating import PASSAGE_TOKENS
from datasources.models import DataSource, Document
from datasources.sources import choose_embedder
from portal.models import Credential, User, Workspace
from portal.registry import Embedding, registries


def weight(workspace: Workspace) -> tuple[int, int, int]:
    """Documents, passages, and tokens at what a passage holds on average, of what is in the index. One query."""
    gone = Q(node__source__state__in=(DataSource.State.DELETING, DataSource.State.DRAFT))
    found = Document.objects.filter(node__source__workspace=workspace, passages__gt=0).exclude(gone)
    told = found.aggregate(documents=Count("pk"), passages=Sum("passages"))
    passages = told["passages"] or 0
    return told["documents"], passages, passages * PASSAGE_TOKENS


def choose(workspace: Workspace, credential: Credential | None, model: str, by: User) -> int:
    """Nothing happens where it is the model already. Raises ValidationError by field."""
    model = model.strip()
    if (credential is None) != (not model):
        raise ValidationError(
            {"model": "Choose a credential and a model of it, or neither for the model on this server."}
        )
    now = Workspace.objects.get(pk=workspace.pk)
    if (now.embedding_credential_id, now.embedding_model) == (credential.pk if credential else None, model):
        return 0
    try:
        return len(choose_embedder(now, credential=credential, model=model, by=by))
    except ValidationError as error:
        raise ValidationError({"model": error.messages}) from error


registries.embedding = Embedding(weight, choose)
