"""The API as one person meets it."""

from rest_framework.test import APIClient


class Api(APIClient):
    """Addresses are written as they follow `/api/v1/`, bodies as Python values; both may be given whole, too."""

    default_format = "json"

    def __init__(self, user=None, **headers):
        super().__init__(headers=headers)
        self.user = user
        if user is not None:
            self.force_authenticate(user)

    def generic(self, method, path, *args, **kwargs):
        path = path if path.startswith(("/", "http")) else f"/api/v1/{path}"
        return super().generic(method, path, *args, **kwargs | {"secure": True})

    def list(self, path, **parameters):
        """What a list answers, as a value."""
        response = self.get(path, parameters)
        assert response.status_code == 200, response.content
        return response.json()

    def keys(self, path, **parameters):
        """The keys of the rows that a list answers, in its order."""
        rows = self.list(path, page_size=500, **parameters)["results"]
        return [row.get("slug") or row.get("code") or row.get("uid") for row in rows]
