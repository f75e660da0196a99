"""Backups of images and containers, and bringing them back on another storage driver."""
