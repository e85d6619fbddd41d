from datetime import date
from tests.make import *
from recommendations.progress import *
def test_x(analyst):
    r=make_recommendation()
    u=report(r,Report(status="in_progress",narrative="x",evidence=(EvidenceRow(url="https://www.state.gov/a/b.html?x=1",title="T"),)),by=analyst,today=date(2025,1,1))
    print(u.review,u.version,u.recommendation.status,u.evidence.get().source.slug)
    assert u.recommendation.status=="in_progress"
