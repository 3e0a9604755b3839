"""Agreement, statistics, realism."""
