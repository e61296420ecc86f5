"""The Tinker API over HTTP: authentication, JSON and protobuf bodies, routes."""
