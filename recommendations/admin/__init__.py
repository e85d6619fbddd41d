from recommendations.admin import agreements, records, updates  # noqa: F401 - importing the modules registers the pages
