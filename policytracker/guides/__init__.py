"""The guides of the folder `docs`, as pages of the site: read, rendered and searched."""
