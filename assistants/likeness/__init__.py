"""What assistants are like: which are similar to a text, and which fit a question.

``similar`` and ``fitting`` give only assistants that this person may use today, as SQL says, never hidden or archived ones.
Both raise IndexUnavailable, and ProviderError where the workspace's embedder is a vendor's.
"""

from assistants.likeness.finding import Fit, fitting, similar, similar_blocking

__all__ = ["Fit", "fitting", "similar", "similar_blocking"]
