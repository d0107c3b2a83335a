"""Prices, budgets, and which models are offered to whom.

A call to a model is reserved before (``holding``), as an upper bound, and settled after with what it really spent
(``portal.usage``). Who pays is an ``accounts.Account``.
"""
