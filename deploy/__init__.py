"""Deployment: local stack, images, monitoring."""
