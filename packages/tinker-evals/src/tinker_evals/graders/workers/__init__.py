"""Functions that run in processes of their own, which can be killed. Nothing imports them."""
