from recommendations.admin import agreements, records  # noqa: F401 - importing the modules registers the pages
