"""Templates: blueprints of assistants with slots. On the shelf, installed, brought up to date, offered, approved, carried in packs."""
