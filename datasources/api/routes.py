"""Addresses of sources, documents and search below /api/v1/workspaces/<slug>/."""

from django.urls import path

from datasources.api import connecting, documents, entering, hooks, runs, search, sources, tables, written

_source = "data-sources/<uuid:pk>/"
_run = f"{_source}runs/<uuid:run>/"

urlpatterns = [
    path("data-sources/", sources.DataSources.as_view(), name="data-sources"),
    path(_source, sources.OneDataSource.as_view(), name="data-source"),
    path("connectors/", connecting.Connectors.as_view(), name="connectors"),
    path("connectors/test/", entering.ConnectionTest.as_view(), name="connectors-test"),
    path(f"{_source}test/", entering.SourceTest.as_view(), name="data-source-test"),
    path(f"{_source}start/", sources.Start.as_view(), name="data-source-start"),
    path(f"{_source}webhook/", hooks.Webhook.as_view(), name="webhook"),
    path(f"{_source}webhook/rotate/", hooks.WebhookRotate.as_view(), name="webhook-rotate"),
    path(f"{_source}webhook/secret/", hooks.WebhookSecret.as_view(), name="webhook-secret"),
    path(f"{_source}browse/", connecting.Browse.as_view(), name="data-source-browse"),
    path(f"{_source}choices/", connecting.ChoicesOf.as_view(), name="data-source-choices"),
    path(f"{_source}estimate/", connecting.EstimateOf.as_view(), name="data-source-estimate"),
    path(f"{_source}selection/", connecting.SelectionOf.as_view(), name="data-source-selection"),
    path(f"{_source}export/", connecting.ExportOf.as_view(), name="data-source-export"),
    path(f"{_source}sync/", sources.Sync.as_view(), name="data-source-sync"),
    path(f"{_source}pause/", sources.Pause.as_view(), name="data-source-pause"),
    path(f"{_source}resume/", sources.Resume.as_view(), name="data-source-resume"),
    path(f"{_source}stop/", sources.Stop.as_view(), name="data-source-stop"),
    path(f"{_source}grants/", sources.Grants.as_view(), name="grants"),
    path(f"{_source}grants/<uuid:grant>/", sources.OneGrant.as_view(), name="grant"),
    path(f"{_source}runs/", runs.Runs.as_view(), name="runs"),
    path(_run, runs.OneRun.as_view(), name="run"),
    path(f"{_run}items/", runs.RunItems.as_view(), name="run-items"),
    path(f"{_run}retry/", runs.RunRetry.as_view(), name="run-retry"),
    path(f"{_run}approve-deletions/", runs.RunApprove.as_view(), name="run-approve"),
    path(f"{_run}reject-deletions/", runs.RunReject.as_view(), name="run-reject"),
    path(f"{_source}nodes/", documents.Nodes.as_view(), name="nodes"),
    path(f"{_source}nodes/retry/", runs.NodesRetry.as_view(), name="nodes-retry"),
    path(f"{_source}files/", documents.Files.as_view(), name="files"),
    path(f"{_source}files/<uuid:file>/", documents.OneFile.as_view(), name="file"),
    path(f"{_source}documents/", documents.Documents.as_view(), name="documents"),
    path(f"{_source}items/", written.Items.as_view(), name="items"),
    path(f"{_source}items/<path:external_id>/", written.OneItem.as_view(), name="item"),
    path(f"{_source}tables/<path:external_id>/rows/", written.WrittenRows.as_view(), name="written-rows"),
    path("tables/", tables.Tables.as_view(), name="tables"),
    path("tables/query/", tables.TablesQuery.as_view(), name="tables-query"),
    path("tables/<uuid:pk>/", tables.OneTable.as_view(), name="table"),
    path("tables/<uuid:pk>/rows/", tables.TableRows.as_view(), name="table-rows"),
    path("documents/<uuid:pk>/", documents.OneDocument.as_view(), name="document"),
    path("documents/<uuid:pk>/access/", documents.DocumentAccess.as_view(), name="document-access"),
    path("search/", search.Search.as_view(), name="search"),
]
