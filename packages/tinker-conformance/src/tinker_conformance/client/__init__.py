"""SDK clients that record every call as Python source, so that a failure can show it."""
