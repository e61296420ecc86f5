"""The routes of the Tinker API, one module for each resource."""
