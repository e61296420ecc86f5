"""The engine behind the routes: sessions, futures, the worker and what it has loaded."""
