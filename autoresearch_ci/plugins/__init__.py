"""Files that other programs load; none of them is imported here."""
