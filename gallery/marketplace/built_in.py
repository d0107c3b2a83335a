"""The templates that come with the product, from files into rows. A file that has not changed is hashed and not read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from gallery.marketplace import blueprint as blueprints
from gallery.marketplace.updating import tell_of_newer
from gallery.models import Template, TemplateVersion
from portal import plain_yaml

log = structlog.get_logger(__name__)

FOLDER = Path(__file__).resolve().parent.parent / "built_in"
MOST_BYTES = 100_000
FEATURED = frozenset({"general-meetings", "people-policies", "sales-account-brief", "support-replies"})
"""What stands in the row on top to begin with; from then on the operator decides."""
# Two web processes that start at once: the second waits, and finds nothing left to do.
_LOCK = 0x61_74_72_69_75_6D_74


def sync(folder: Path = FOLDER) -> int:
    """Make rows say what the files say; how many templates changed. One query where none did.

    A changed file is a new version of its template; a file that is gone takes its template off the shelf, and what was
    installed from it stays. Raises ValidationError or NotPlain for a file that is wrong: it came with the product.
    """
    files = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.yaml"))}
    digests = {slug: hashlib.sha256(raw).hexdigest() for slug, raw in files.items()}
    if digests == _known():
        return 0
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        known = _known()
        changed = [slug for slug, digest in digests.items() if known.get(slug) != digest]
        for slug in changed:
            _keep(slug, files[slug], digests[slug])
        gone = set(known) - set(digests)
        _rows().filter(slug__in=gone).update(state=Template.State.WITHDRAWN, decided_by=None)
    log.info("templates that come with the product are up to date", changed=len(changed), gone=len(gone))
    return len(changed) + len(gone)


def _rows() -> QuerySet[Template]:
    """Of the product: an operator's own ones came from no file."""
    return Template.objects.filter(workspace=None).exclude(latest__digest="")


def _known() -> dict[str, str]:
    """What is as a file says, or was taken off the shelf by the operator: that stays so until its file changes."""
    settled = Q(state=Template.State.EVERYWHERE) | Q(state=Template.State.WITHDRAWN, decided_by__isnull=False)
    return dict(_rows().filter(settled).values_list("slug", "latest__digest"))


def _keep(slug: str, raw: bytes, digest: str) -> None:
    read = blueprints.read({"slug": slug} | plain_yaml.read(raw, most=MOST_BYTES))
    template, _made = Template.objects.get_or_create(workspace=None, slug=slug, defaults={"featured": slug in FEATURED})
    number = template.versions.count() + 1
    version = TemplateVersion.objects.create(template=template, number=number, digest=digest, **read.version_fields())
    template.latest, template.department, template.task = version, read.department, read.task
    template.state = Template.State.EVERYWHERE
    template.save()
    if number > 1:
        tell_of_newer(template)
