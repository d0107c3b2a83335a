"""The parts of a sync run; ``datasources.sync`` puts them together."""
