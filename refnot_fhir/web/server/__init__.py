"""The front of the server: connections, whole bodies, and threads to run requests in."""
