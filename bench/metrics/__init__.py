"""The one metrics layer."""
