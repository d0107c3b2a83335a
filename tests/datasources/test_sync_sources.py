"""Connecting, changing and deleting sources, and files that people hand over."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from datasources import erasing
from datasources.choosing import choose, store
from datasources.connectors import base
from datasources.connectors.base import Chosen, ConnectorError
from datasources.models import DataSource, Document, Grant, Node, SyncRun, UploadedFile
from datasources.reading import open_index
from datasources.retrieval.types import Selector
from datasources.sources import (
    add_upload,
    choose_embedder,
    create_source,
    delete_source,
    reembed,
    remove_upload,
    request_sync,
    update_source,
)
from datasources.sync import sync_source
from datasources.syncing.leases import claim
from portal import events
from portal.models import AuditEvent, Credential, UsageRecord, Workspace
from portal.providers.errors import ProviderError
from tests import factories
from tests.datasources.syncing import account, assert_exact, synced
from tests.embedders import InstantEmbedder

pytestmark = pytest.mark.django_db


@pytest.fixture
def files(settings, tmp_path):
    """Uploaded files go below the test's own directory."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}},
    }
    return tmp_path


@pytest.fixture
def uploads(cast, embedder, files):
    return create_source(workspace=cast.workspace, by=cast.admin.user, kind="upload", name="Files", config={})


def handed(uploads, path, content=b"# Title\n\nSome text.", by=None):
    return add_upload(uploads, path=path, file=io.BytesIO(content), by=by)


def finished(source) -> SyncRun:
    """The open run, worked on."""
    run = SyncRun.objects.get(source=source, state="queued")
    sync_source(run)
    run.refresh_from_db()
    return run


def stored(files: Path) -> int:
    return sum(1 for path in files.rglob("*") if path.is_file())


def test_a_new_source_is_seen_by_the_company_and_syncs(cast, embedder, place):
    place.files = {"a.md": "Text."}
    source = create_source(
        workspace=cast.workspace, by=cast.builder.user, kind="fake", name=" Wiki ", config={"x": 1}, schedule="hourly"
    )
    assert source.name == "Wiki"
    assert [grant.space.name for grant in source.grants.all()] == ["Company"]
    assert source.grants.get().parents_in is None
    assert source.next_run is not None
    run = finished(source)
    assert (run.trigger, run.state) == ("first", "done")
    assert AuditEvent.objects.filter(action="source.create", object_id=str(source.pk)).exists()


def test_a_source_can_be_given_to_other_spaces(cast, embedder, place):
    space = factories.space(cast.workspace, cast.builder)
    source = create_source(
        workspace=cast.workspace, by=None, kind="fake", name="Secret", config={}, spaces=[space], start=False
    )
    assert [grant.space for grant in source.grants.all()] == [space]
    assert not source.runs.exists()
    foreign = factories.space(cast.elsewhere, cast.outsider)
    with pytest.raises(ValidationError, match="own workspace"):
        create_source(workspace=cast.workspace, by=None, kind="fake", name="X", config={}, spaces=[foreign])


@pytest.mark.parametrize(
    "answer", [base.TestResult(False, "Give a token"), ConnectorError("Give a token", permanent=True)]
)
def test_a_source_that_does_not_answer_is_not_made(cast, embedder, place, monkeypatch, answer):
    def test():
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(place, "test", test)
    with pytest.raises(ValidationError, match="Give a token"):
        create_source(workspace=cast.workspace, by=None, kind="fake", name="X", config={})
    assert not DataSource.objects.exists()
    assert not Grant.objects.exists()


@pytest.mark.parametrize(("kind", "name"), [("slark", "X"), ("fake", "  ")])
def test_an_unknown_kind_or_no_name_is_refused(cast, embedder, place, kind, name):
    with pytest.raises(ValidationError):
        create_source(workspace=cast.workspace, by=None, kind=kind, name=name, config={})


def test_a_folder_outside_the_allowed_roots_is_refused(cast, embedder, tmp_path):
    with pytest.raises(ValidationError, match="ATRIUM_FOLDER_ROOTS"):
        create_source(workspace=cast.workspace, by=None, kind="folder", name="X", config={"path": str(tmp_path)})


def test_another_config_or_choice_is_synced_anew(source, place, cast):
    DataSource.objects.filter(pk=source.pk).update(cursor={"at": 5})
    source.refresh_from_db()
    source = update_source(source, by=cast.admin.user, name="Other", schedule="daily")
    assert not source.runs.exists()
    choose(source, [Chosen("a"), Chosen("b", include=False)], by=cast.admin.user)
    assert source.runs.count() == 1
    assert [(line.external_id, line.include) for line in source.selections.order_by("external_id")] == [
        ("a", True),
        ("b", False),
    ]
    source.refresh_from_db()
    assert (source.name, source.schedule) == ("Other", "daily")
    assert source.runs.get().full
    assert source.next_run is not None
    assert update_source(source, by=cast.admin.user, schedule="off").next_run is None


def test_two_edits_made_at_once_of_different_things_both_stay(source, cast):
    DataSource.objects.update(config={"place": "here", "drafts": True})
    one, other = DataSource.objects.get(), DataSource.objects.get()
    DataSource.objects.update(state_detail="Something that a run wrote meanwhile")
    update_source(one, by=None, name="Wiki of all", config={"place": "here", "drafts": True, "depth": 2})
    update_source(other, by=None, schedule="daily", config={"place": "there"})
    source.refresh_from_db()
    assert (source.name, source.schedule, source.config) == ("Wiki of all", "daily", {"place": "there", "depth": 2})
    assert source.state_detail == "Something that a run wrote meanwhile"


def test_what_a_form_sends_along_as_it_was_takes_nothing_back(source, cast):
    seen = DataSource.objects.get()
    update_source(source, by=None, name="Wiki of all")
    changed = update_source(seen, by=None, name=seen.name, schedule="daily", mirror=seen.mirror)
    assert (changed.name, changed.schedule) == ("Wiki of all", "daily")
    assert AuditEvent.objects.latest("id").after["name"] == "Wiki of all"


def test_a_refused_edit_leaves_the_source_at_hand_as_it_is(source, cast):
    with pytest.raises(ValidationError, match="takes one of"):
        update_source(source, by=None, name="Other", schedule="weekly")
    assert (source.name, source.schedule) == (DataSource.objects.get().name, "off")


def test_a_source_that_is_deleted_meanwhile_is_not_changed(source, cast):
    seen = DataSource.objects.get()
    delete_source(source, by=None)
    with pytest.raises(ValidationError, match="is being deleted"):
        update_source(seen, by=None, name="Other")


def test_the_cursor_of_a_complete_run_is_where_the_next_begins(source, place, embedder):
    from datasources.connectors.base import Checkpoint, Upsert
    from tests.datasources.syncing import file_node

    place.files = {"a.md": "Text."}
    place.script = [Upsert(file_node("a.md", "Text.")), Checkpoint({"at": 1})]
    synced(source)
    synced(source)
    assert place.cursors == [{}, {"at": 1}]
    synced(source, trigger="retry", only=[Node.objects.get().pk])
    source.refresh_from_db()
    assert source.cursor == {"at": 1}


def test_uploads_come_in_with_their_folders(uploads, cast, embedder, files):
    handed(uploads, "plans/2026/goals.md", by=cast.builder.user)
    handed(uploads, "notes.txt", b"Just text.")
    run = finished(uploads)
    assert account(run) == {"discovered": 2, "indexed": 2}
    node = Node.objects.get(external_id="plans/2026/goals.md")
    assert node.path == "plans / 2026 / goals.md"
    assert node.author == "Bea Builder"
    assert assert_exact(uploads, embedder.space) == 2
    upload = UploadedFile.objects.get(path="plans/2026/goals.md")
    assert upload.stored.startswith(f"{cast.workspace.pk}/{uploads.pk}/")
    assert len(upload.sha256) == 64


def test_the_same_path_replaces(uploads, embedder, files, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        handed(uploads, "a.md", b"One.")
    finished(uploads)
    with django_capture_on_commit_callbacks(execute=True):
        handed(uploads, "a.md", b"Two, which is new.")
    assert account(finished(uploads)) == {"discovered": 1, "indexed": 1}
    assert Document.objects.get().text.strip() == "Two, which is new."
    assert (UploadedFile.objects.count(), stored(files)) == (1, 1)
    assert_exact(uploads, embedder.space)


def test_a_zip_is_unfolded_and_removed_with_all_in_it(
    uploads, cast, embedder, files, django_capture_on_commit_callbacks
):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inner/one.md", "# One\n\nFirst.")
        archive.writestr("two.txt", "Second.")
    zipped = handed(uploads, "box/all.zip", packed.getvalue())
    handed(uploads, "keep.md")
    assert account(finished(uploads)) == {"discovered": 3, "indexed": 3}
    assert Node.objects.get(title="one.md").path == "box / all.zip / inner / one.md"
    with django_capture_on_commit_callbacks(execute=True):
        remove_upload(zipped, by=cast.admin.user)
    run = finished(uploads)
    assert account(run) == {"discovered": 1, "unchanged": 1, "removed": 2}
    assert set(Node.objects.values_list("external_id", flat=True)) == {"keep.md"}
    assert stored(files) == 1
    assert_exact(uploads, embedder.space)


def test_a_file_that_was_taken_out_is_not_brought_back_by_a_choice(uploads, cast, embedder, files):
    for path in ("hr/pay.md", "hr/leave.md", "it/vpn.md"):
        handed(uploads, path)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("one.md", "# One\n\nFirst.")
    zipped = handed(uploads, "out.zip", packed.getvalue())
    handed(uploads, "kept.zip", packed.getvalue())
    finished(uploads)
    everywhere = set(Node.objects.values_list("external_id", flat=True))
    assert "out.zip!/one.md" in everywhere
    choose(uploads, [Chosen("it")], by=cast.admin.user)
    remove_upload(UploadedFile.objects.get(path="hr/pay.md"), by=cast.admin.user)
    remove_upload(zipped, by=cast.admin.user)
    choose(uploads, [Chosen(None)], by=cast.admin.user)
    left = everywhere - {"hr/pay.md", "out.zip", "out.zip!/one.md"}
    assert set(Node.objects.readable_by(cast.member).values_list("external_id", flat=True)) == left
    finished(uploads)
    assert set(Node.objects.values_list("external_id", flat=True)) == left
    assert_exact(uploads, embedder.space)


def test_a_sync_never_removes_what_was_added_by_hand(uploads, embedder, files):
    for number in range(12):
        handed(uploads, f"{number}.md")
    finished(uploads)
    for path in files.rglob("*.md"):
        path.unlink()
    Node.objects.update(fetched_version="")
    run = synced(uploads)
    assert run.removed == 0
    assert Node.objects.count() == UploadedFile.objects.count() == 12


def test_what_is_handed_over_after_a_choice_that_takes_nothing_later_is_listed_and_stays_out(uploads, embedder, files):
    store(uploads, [Chosen(None, future=False, options={"chosen_at": timezone.now().isoformat()})])
    handed(uploads, "a.md")
    finished(uploads)
    handed(uploads, "b.md")
    assert account(finished(uploads)) == {"discovered": 2, "unchanged": 1, "skipped": 1}
    assert uploads.nodes.get(external_id="b.md").reason.startswith("Added after the choice")


@pytest.mark.parametrize("path", ["", "..", "a/../../b", "/", "x" * 1001])
def test_a_path_that_can_not_be_is_refused(uploads, path):
    with pytest.raises(ValidationError):
        handed(uploads, path)
    assert not UploadedFile.objects.exists()


def test_a_file_that_is_too_large_is_refused_and_not_kept(uploads, files, settings):
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    with pytest.raises(ValidationError, match="larger than 1 MB"):
        handed(uploads, "big.txt", b"x" * (1024 * 1024 + 1))
    assert (UploadedFile.objects.count(), stored(files)) == (0, 0)
    handed(uploads, "fits.txt", b"x" * 1024 * 1024)


def test_files_are_added_to_uploads_only(source):
    with pytest.raises(ValidationError):
        handed(source, "a.md")


def test_files_that_come_while_a_run_is_under_way_are_not_missed(uploads, embedder, files):
    handed(uploads, "a.md")
    run = claim(SyncRun.objects.get(source=uploads).pk)
    handed(uploads, "b.md")
    SyncRun.objects.filter(pk=run.pk).update(lease_until=None)
    sync_source(run)
    finished(uploads)
    assert Node.objects.filter(status="indexed").count() == 2


def test_a_deleted_source_is_gone_with_everything(uploads, cast, embedder, files, monkeypatch):
    heard = []
    monkeypatch.setitem(events._handlers, events.SourceRemoved, [heard.append])
    handed(uploads, "a.md")
    finished(uploads)
    delete_source(uploads, by=cast.admin.user)
    uploads.refresh_from_db()
    assert uploads.state == "deleting"
    pk = uploads.pk
    assert erasing.erase_source(uploads)
    assert not DataSource.objects.filter(pk=pk).exists()
    assert (Node.objects.count(), Document.objects.count(), stored(files)) == (0, 0, 0)
    assert open_index().for_workspace(cast.workspace.pk).count(embedder.space, Selector(source=pk)) == 0
    assert [event.source for event in heard] == [pk]


def test_deleting_waits_for_the_worker_to_let_go(source, place, cast, embedder):
    run = claim(request_sync(source, by=None).pk)
    delete_source(source, by=cast.admin.user)
    source.refresh_from_db()
    assert not erasing.erase_source(source)
    run.refresh_from_db()
    assert run.wish == "stop"
    SyncRun.objects.filter(pk=run.pk).update(lease_until=None)
    assert erasing.erase_source(source)


def test_another_embedder_for_a_workspace_starts_a_run_for_each_source(source, place, cast, embedder):
    factories.source(cast.elsewhere, kind="fake")
    runs = reembed(cast.workspace, by=cast.admin.user)
    assert [(run.source, run.trigger) for run in runs] == [(source, "embedder")]


def test_a_model_that_can_not_embed_is_not_chosen(source, place, cast, monkeypatch):
    monkeypatch.setattr("datasources.sources.embedder_for", lambda workspace: RefusingEmbedder())
    with pytest.raises(ValidationError, match="no such model"):
        choose_embedder(cast.workspace, credential=None, model="", by=cast.admin.user)
    assert not source.runs.exists()


def test_choosing_another_model_embeds_all_sources_anew(source, place, cast, monkeypatch):
    monkeypatch.setattr("datasources.sources.embedder_for", lambda workspace: InstantEmbedder("other"))
    credential = Credential.objects.create(workspace=cast.workspace, kind="openai", name="Key")
    runs = choose_embedder(cast.workspace, credential=credential, model="small", by=cast.admin.user)
    assert [(run.source, run.trigger) for run in runs] == [(source, "embedder")]
    cast.workspace.refresh_from_db()
    assert (cast.workspace.embedding_credential, cast.workspace.embedding_model) == (credential, "small")
    # That it was tried is the vendor's work, too.
    (tried,) = UsageRecord.objects.all()
    assert (tried.purpose, tried.credential, tried.user, tried.input_tokens > 0) == (
        "embed",
        credential,
        cast.admin.user,
        True,
    )
    foreign = Credential.objects.create(workspace=cast.elsewhere, kind="openai", name="Key")
    with pytest.raises(ValidationError, match="another workspace"):
        choose_embedder(cast.workspace, credential=foreign, model="small", by=None)


def test_what_a_vendor_embeds_is_in_the_usage(source, place, cast, embedder):
    credential = Credential.objects.create(workspace=cast.workspace, kind="openai", name="Key")
    Workspace.objects.filter(pk=cast.workspace.pk).update(embedding_credential=credential)
    place.files = {"a.md": "Some text that costs."}
    synced(source)
    record = UsageRecord.objects.get()
    assert (record.purpose, record.vendor, record.model, record.credential) == ("embed", "test", "instant", credential)
    assert record.input_tokens > 0


class RefusingEmbedder(InstantEmbedder):
    def embed_query(self, text):
        raise ProviderError("There is no such model", code="model_not_found")
