from recommendations.admin import agreements, grids, parties, records, updates  # noqa: F401 - importing the modules registers the pages
