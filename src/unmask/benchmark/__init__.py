"""Frozen lists of pictures, on which runs are ranked; a run over anything else is refused."""
