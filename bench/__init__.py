"""Speed, as ratios within one run: ``make bench`` writes artifacts/bench.md."""
