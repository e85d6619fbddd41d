"""Assertions about error responses."""


def field_errors(response, *fields):
    """The messages of a 400 by field, for exactly these fields. Every message must have a code."""
    assert response.status_code == 400, (response.status_code, response.content[:500])
    return messages(response.json(), *fields)


def messages(body, *fields):
    messages = {name: value for name, value in body.items() if name not in ("_codes", "_existing")}
    assert set(messages) == set(fields), body
    assert all(isinstance(message, str) and message for value in messages.values() for message in value), body
    assert {name: len(value) for name, value in messages.items()} == {name: len(codes) for name, codes in body["_codes"].items()}, body
    assert body.get("_existing", {}).keys() <= messages.keys(), body
    return messages


def list_errors(response):
    """The messages of the failing entries of a list, by index and field."""
    assert response.status_code == 400, (response.status_code, response.content[:500])
    assert list(response.json()) == ["errors"]
    bodies = response.json()["errors"]
    return {i: body if "detail" in body else messages(body, *(set(body) - {"_codes", "_existing"})) for i, body in bodies.items()}


def list_codes(response):
    """The codes of the failing entries of a list, by index and field."""
    assert response.status_code == 400, (response.status_code, response.content[:500])
    return {index: body["_codes"] for index, body in response.json()["errors"].items()}


def codes(response):
    """The codes of a 400, by field."""
    assert response.status_code == 400, (response.status_code, response.content[:500])
    return response.json()["_codes"]
