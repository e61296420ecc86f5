"""Policy losses, one class in one module each."""
