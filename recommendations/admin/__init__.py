from recommendations.admin import agreements, records, sources, updates  # noqa: F401 - importing the modules registers the pages
