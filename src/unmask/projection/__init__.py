"""Inverting a frozen generator from the visible part of a picture: starts, objective, schedules, optimiser's loop."""
