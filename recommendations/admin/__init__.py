from recommendations.admin import records  # noqa: F401 - importing the module registers the pages
