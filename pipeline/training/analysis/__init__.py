"""Statistics of training faces and pyramid levels."""
