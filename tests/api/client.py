"""An API client for tests."""

from rest_framework.test import APIClient


class Api(APIClient):
    """A client that sends JSON. Paths are relative to `/api/v1/` unless they start with `/` or `http`."""

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
        """The parsed response of a list."""
        response = self.get(path, parameters)
        assert response.status_code == 200, response.content
        return response.json()

    def keys(self, path, **parameters):
        """The keys of the rows of a list, in order."""
        rows = self.list(path, page_size=500, **parameters)["results"]
        return [row.get("slug") or row.get("code") or row.get("uid") for row in rows]


KEY = {"Idempotency-Key": "k1"}


def assert_replayed(api: Api, path: str, body, status: int) -> None:
    first, again = (api.post(path, body, headers=KEY) for _ in range(2))

    assert (first.status_code, again.status_code) == (status, status), (first.content, again.content)
    assert again.content == first.content
    assert (first.get("Idempotent-Replayed"), again.get("Idempotent-Replayed")) == (None, "true")
