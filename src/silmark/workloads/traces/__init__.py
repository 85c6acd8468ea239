"""Readers of request traces, one file per format, and generators."""
