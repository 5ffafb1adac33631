"""Where a repository says how it is checked: a module for each kind of file, one notebook."""
