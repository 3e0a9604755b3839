"""A worker for tests: the real one, with operations that are slow, greedy, loud or deadly."""
