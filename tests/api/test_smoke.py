from rest_framework.test import APIClient
from tests.make import *
def test_x(analyst, django_assert_num_queries):
    c=APIClient(); c.force_authenticate(analyst)
    make_agreement()
    r=c.get("/api/v1/agreements/", secure=True)
    print(r.status_code, r.content)
    r=c.post("/api/v1/agreements/", {"slug":"a","title":"b"}, format="json", secure=True)
    print(r.status_code, r.content, r.headers)
    r=c.get("/api/v1/agreements/a/history/", secure=True)
    print(r.status_code, r.content, r.headers)
