"""Addresses of assistants and conversations below /api/v1/workspaces/<slug>/."""

from django.urls import path

from assistants.api import assistants, conversations, messages

_assistant = "assistants/<slug:handle>/"
_message = "messages/<uuid:pk>/"

urlpatterns = [
    path("assistants/", assistants.Assistants.as_view(), name="assistants"),
    path(_assistant, assistants.OneAssistant.as_view(), name="assistant"),
    path(f"{_assistant}publish/", assistants.Publish.as_view(), name="assistant-publish"),
    path(f"{_assistant}unpublish/", assistants.Unpublish.as_view(), name="assistant-unpublish"),
    path(f"{_assistant}vet/", assistants.Vet.as_view(), name="assistant-vet"),
    path(f"{_assistant}unvet/", assistants.Unvet.as_view(), name="assistant-unvet"),
    path(f"{_assistant}versions/", assistants.Versions.as_view(), name="assistant-versions"),
    path(f"{_assistant}versions/<int:number>/restore/", assistants.RollBack.as_view(), name="assistant-restore"),
    path("conversations/", conversations.Conversations.as_view(), name="conversations"),
    path("conversations/<uuid:pk>/", conversations.OneConversation.as_view(), name="conversation"),
    path("conversations/<uuid:pk>/messages/", messages.ConversationMessages.as_view(), name="messages"),
    path(_message, messages.OneMessage.as_view(), name="message"),
    path(f"{_message}events/", messages.Events.as_view(), name="message-events"),
    path(f"{_message}stop/", messages.Stop.as_view(), name="message-stop"),
    path(f"{_message}edit/", messages.Edit.as_view(), name="message-edit"),
    path(f"{_message}again/", messages.Again.as_view(), name="message-again"),
    path(f"{_message}feedback/", messages.GiveFeedback.as_view(), name="message-feedback"),
]
