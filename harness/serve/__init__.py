"""The site's pages, served while flights run."""
