"""A page in the browser over `unmask.photos`, on this machine alone: ``python -m unmask.web`` (extra `unmask[web]`)."""
