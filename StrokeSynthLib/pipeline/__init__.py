"""The rooms put together: simulate, database."""
