"""What the adapter does, without HTTP: receive, judge, find subjects, screen."""
