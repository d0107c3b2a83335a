"""What this app hangs up in the shell: rules, menu items, checks, warm-ups."""

import structlog

from datasources import connecting, offering, reading, shown
from datasources.connectors.registry import CONNECTORS
from datasources.ingestion.results import Extracted
from datasources.retrieval.edge_process import IndexLocked
from datasources.retrieval.values import is_aside
from datasources.syncing import leases, notices
from datasources.syncing.reading import close_extractor, extractor
from portal.access import register
from portal.models import Role, Workspace
from portal.providers.errors import ProviderError
from portal.reaching import QDRANT, Unreachable
from portal.registry import Check, CredentialKind, registries

log = structlog.get_logger(__name__)

register("datasource.view", Role.MEMBER, "read", "see data sources")
register("datasource.create", Role.BUILDER, "write", "connect data sources")
# Which sources a builder may manage: DataSource.objects.manageable_by.
register("datasource.manage", Role.BUILDER, "write", "manage data sources")
register("grant.manage", Role.ADMIN, "admin", "decide which space sees which part of a source")
register("document.view", Role.MEMBER, "read", "read documents")
register("table.view", Role.MEMBER, "read", "browse tables and ask them by SQL")
register("search.use", Role.MEMBER, "read", "search")


def _index() -> str:
    QDRANT.knock()
    try:
        info = reading.open_index().info()
    except IndexLocked:
        return "The search index is in use by the portal that runs on this data directory."
    passages = sum(points for space, points in info.spaces.items() if not is_aside(space))
    where = f"at {QDRANT.place} (QDRANT_URL)" if QDRANT.url else "(embedded)"
    many = "1 passage" if passages == 1 else f"{passages:,} passages"
    return f"The search index {where} answers: {many}. {info.detail}".strip()


def _embedding() -> str:
    """Whether texts can be embedded on this machine, where a workspace does so. Vendors are not called: that costs."""
    workspace = Workspace.objects.filter(embedding_credential=None).first()
    if workspace is None:
        return "No workspace embeds on this machine; each has a vendor's model."
    embedder = reading.embedder_for(workspace)
    embedder.embed_query("probe")
    return f"{embedder.model} embeds on this machine."


def _reading_of_files() -> str:
    """Whether the child that reads files starts, within its limits, and reads one."""
    page = b"<!doctype html><title>Probe</title><p>A page to read.</p>"
    read = extractor().extract(page, "probe.html")
    if not isinstance(read, Extracted):
        raise Unreachable(f"A page could not be read ({read.reason}): the lines above say more.")
    return "Files are read in a process of their own."


def _local_model() -> None:
    """Load the model that embeds questions on this machine, where a workspace uses it."""
    workspace = Workspace.objects.filter(embedding_credential=None).first()
    if workspace is None:
        return
    try:
        reading.embedder_for(workspace).embed_query("warm up")
    except ProviderError as error:
        # Each search will say so again; conversations without sources go on.
        log.error("the embedding model can't be loaded", error=str(error))


for _about in CONNECTORS.values():
    if _about.auths:
        _entered = "with the data source that uses it, under Settings"
        registries.credential_kinds.add(_about.kind, CredentialKind(_about.label, connecting.test_credential, _entered))
registries.checks.add(
    "index", Check("Search index", _index, weight=10, hint="Check QDRANT_URL, and that the server runs.")
)
registries.checks.add(
    "embedding",
    Check(
        "Embeddings",
        _embedding,
        ready=False,
        weight=60,
        needs_database=True,
        seconds=60,
        hint="Install again with make run, or look at the disk below ATRIUM_DATA.",
    ),
)
registries.checks.add(
    "reading",
    Check(
        "Reading of files",
        _reading_of_files,
        ready=False,
        weight=70,
        seconds=60,
        hint="Look whether this machine has memory left, and lets the portal's user start processes.",
    ),
)
registries.warm_ups.add("notices", notices.remember_loop)
registries.warm_ups.add("index", reading.open_index)
registries.warm_ups.add("local model", _local_model)
registries.shut_downs.add("levels", offering.end)
# Last added, first called: syncs let go of their runs before what they use is closed.
registries.shut_downs.add("index", reading.close_index)
registries.shut_downs.add("readers", close_extractor)
registries.shut_downs.add("syncs", leases.leave)
shown.hang_up()
