"""Definitions of the tables and figures, and the published numbers."""
