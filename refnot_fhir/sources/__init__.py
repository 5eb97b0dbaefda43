"""Where data comes from besides HTTP: files, and their delivery to a store or a server."""
