from .assistant import Assistant, AssistantVersion, Favourite, LivePart, Picture, SpaceDefault
from .conversation import Citation, Conversation, EventBatch, Message
from .feedback import Feedback
from .insight import Likeness, QuestionVector, UseDay
from .prompt import SavedPrompt
from .vetting import VettingRequest

__all__ = [
    "Assistant",
    "AssistantVersion",
    "Citation",
    "Conversation",
    "EventBatch",
    "Favourite",
    "Feedback",
    "Likeness",
    "LivePart",
    "Message",
    "Picture",
    "QuestionVector",
    "SavedPrompt",
    "SpaceDefault",
    "UseDay",
    "VettingRequest",
]
