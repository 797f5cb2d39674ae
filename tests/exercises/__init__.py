"""The judge against answers that are known to be right, wrong, or up to something."""
