"""The scripts that set up, open, record and certify the course."""
