"""Finished runs side by side on the same pictures: a table, a CSV and a picture; knows no method."""
