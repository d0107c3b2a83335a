"""The addresses of pages below /w/<slug>/: conversations and assistants. Each view declares its rule itself."""

from typing import Any

from django.urls import path

from assistants.views import answers as answers
from assistants.views import assistants as assistants
from assistants.views import at_hand as hand
from assistants.views import builder as builder
from assistants.views import conversations as conversations
from assistants.views import filing as filing
from assistants.views import fitting as fitting
from assistants.views import helping as helping
from assistants.views import owned as owned
from assistants.views import pictures as pictures
from assistants.views import prompts as prompts
from assistants.views import publishing as publishing
from assistants.views import start as starts
from assistants.views import trial as trial
from assistants.views import versions as history

PAGES: list[Any] = [
    path("ask/", conversations.ask_new, name="ask_new"),
    path("ask/places/", assistants.places, name="ask_places"),
    path("ask/fits/", fitting.fits, name="ask_fits"),
    path("conversations/", filing.conversations, name="conversations"),
    path("c/<uuid:conversation>/", conversations.conversation, name="conversation"),
    path("c/<uuid:conversation>/ask/", conversations.ask, name="ask"),
    path("c/<uuid:conversation>/title/", conversations.title, name="conversation_title"),
    path("c/<uuid:conversation>/share/", conversations.share, name="conversation_share"),
    path("c/<uuid:conversation>/assistant/", builder.of_conversation, name="conversation_assistant"),
    path("c/<uuid:conversation>/rename/", filing.rename, name="conversation_rename"),
    path("c/<uuid:conversation>/pin/", filing.pin, name="conversation_pin"),
    path("c/<uuid:conversation>/archive/", filing.archive, name="conversation_archive"),
    path("c/<uuid:conversation>/delete/", filing.delete, name="conversation_delete"),
    path("c/<uuid:conversation>/m/<uuid:message>/", answers.answer, name="answer"),
    path("c/<uuid:conversation>/m/<uuid:message>/edit/", conversations.edit_question, name="question_edit"),
    path("c/<uuid:conversation>/m/<uuid:message>/again/", answers.again, name="answer_again"),
    path("c/<uuid:conversation>/m/<uuid:message>/next/", answers.ask_next, name="answer_next"),
    path("c/<uuid:conversation>/m/<uuid:message>/stop/", answers.stop, name="answer_stop"),
    path("c/<uuid:conversation>/m/<uuid:message>/feedback/", answers.feedback, name="answer_feedback"),
    path("c/<uuid:conversation>/m/<uuid:message>/events/", answers.events, name="answer_events"),
    path("building/handle/", assistants.handle, name="assistant_handle"),
    path("building/suggest/", assistants.suggest, name="assistant_suggest"),
    path("building/advice/", helping.advice, name="assistant_advice"),
    path("building/write/", helping.drafted, name="assistant_draft"),
    path("building/try/", trial.start, name="assistant_try"),
    path("building/try/<uuid:trial>/stop/", trial.stop, name="assistant_try_stop"),
    path("building/needs/", builder.needs, name="assistant_needs"),
    path("building/picture/", pictures.upload, name="picture_upload"),
    path("pictures/<uuid:picture>/", pictures.picture, name="picture"),
    path("assistants/new/", starts.start, name="assistant_start"),
    path("assistants/new/form/", builder.new, name="assistant_new"),
    path("assistants/new/file/", starts.import_file, name="assistant_import"),
    path("prompts/", prompts.prompts, name="prompts"),
    path("prompts/suggest/", prompts.suggest, name="prompts_suggest"),
    path("prompts/<uuid:pk>/", prompts.prompt, name="prompt"),
    path("prompts/<uuid:pk>/delete/", prompts.delete, name="prompt_delete"),
    path("my-assistants/", owned.owned, name="owned"),
    path("at-hand/", hand.at_hand, name="assistants_at_hand"),
    path("assistants/archived/", publishing.archived, name="assistants_archived"),
    path("assistants/<slug:handle>/", assistants.assistant, name="assistant"),
    path("assistants/<slug:handle>/favourite/", hand.favourite, name="assistant_favourite"),
    path("assistants/<slug:handle>/edit/", builder.edit, name="assistant_edit"),
    path("assistants/<slug:handle>/publishing/", publishing.publishing, name="assistant_publishing"),
    path("assistants/<slug:handle>/copy/", builder.copy, name="assistant_copy"),
    path("assistants/<slug:handle>/versions/", history.versions, name="assistant_versions"),
    path("assistants/<slug:handle>/export/", history.export, name="assistant_export"),
]
