from .assistant import Assistant, AssistantVersion
from .conversation import Citation, Conversation, EventBatch, Message
from .feedback import Feedback

__all__ = ["Assistant", "AssistantVersion", "Citation", "Conversation", "EventBatch", "Feedback", "Message"]
