from recommendations.admin import agreements, grids, parties, records, sources, updates  # noqa: F401 - importing the modules registers the pages
