"""The query line of lists: a table of lines and their parameters, wrong words, and that lines and parameters are two forms of one thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policytracker.representation import query_line
from policytracker.representation.filters import resource_filters
from policytracker.representation.query_line import WrongWord
from policytracker.resources import registry

LINES = [
    ("", {}),
    ("overdue", {"overdue": ["true"]}),
    ("-overdue", {"overdue": ["false"]}),
    ("OVERDUE", {"overdue": ["true"]}),
    ("overdue:false", {"overdue": ["false"]}),
    ("stale", {"freshness": ["stale"]}),
    ("stale never", {"freshness": ["stale", "never"]}),
    ("-stale", {"freshness__not": ["stale"]}),
    ("due-soon", {"deadline_state": ["due_soon"]}),
    ("party:AUS,JPN", {"party": ["AUS", "JPN"]}),
    ("party:AUS party:JPN", {"party": ["AUS", "JPN"]}),
    ("-party:AUS", {"party__not": ["AUS"]}),
    ("-status:planned,stalled", {"status__not": ["planned", "stalled"]}),
    ('status:"In progress"', {"status": ["in_progress"]}),
    ("priority:High", {"priority": ["high"]}),
    ("owner:me", {"owner": ["me"]}),
    ("due_on:2026..2027-06", {"due_on__from": ["2026"], "due_on__to": ["2027-06"]}),
    ("due-on:2026..", {"due_on__from": ["2026"]}),
    ("due_on:..2026", {"due_on__to": ["2026"]}),
    ("due_on:2026", {"due_on": ["2026"]}),
    ("due_on__empty:true without:owner", {"due_on__empty": ["true"], "without": ["owner"]}),
    ("slug__contains:aukus..2", {"slug__contains": ["aukus..2"]}),
    ('made_by_text:"Smith, J. \\"Jo\\""', {"made_by_text": ['Smith, J. "Jo"']}),
    ("ports", {"q": ["ports"]}),
    ('deep  -sea "big ports" or', {"q": ['deep -sea "big ports" or']}),
    ('"overdue"', {"q": ['"overdue"']}),
    ("q:overdue ports", {"q": ["overdue ports"]}),
    (
        "overdue party:AUS,JPN priority:high,critical owner:me stale text",
        {
            "overdue": ["true"],
            "party": ["AUS", "JPN"],
            "priority": ["high", "critical"],
            "owner": ["me"],
            "freshness": ["stale"],
            "q": ["text"],
        },
    ),
]
WRONG = [
    ("priorty:high", "priority:high"),
    ("overdue -prority:high x", "overdue -priority:high x"),
    ("priority:hihg", "priority:high"),
    ("freshness:stail", "freshness:stale"),
    ("http://a.example", ""),
    ("party:", ""),
    ("due_on:..", ""),
    ("due_on:2026..2027..2028", ""),
    ("-due_on:2026..2027", ""),
    ("-due_within:30", ""),
    ("overdue:maybe", ""),
    ("x" * 3000, ""),
]


@pytest.fixture(scope="module")
def filters():
    return resource_filters(registry.at("recommendations"))


@pytest.mark.parametrize(("line", "parameters"), LINES)
def test_a_line_has_the_parameters_of_the_api(line, parameters, filters):
    assert query_line.parse(line, filters) == parameters


@pytest.mark.parametrize(("line", "corrected"), WRONG)
def test_a_wrong_word_is_refused_with_the_line_that_was_probably_meant(line, corrected, filters):
    with pytest.raises(WrongWord) as refused:
        query_line.parse(line, filters)

    assert refused.value.corrected == corrected
    assert str(refused.value)


@pytest.mark.parametrize("resource", registry.addressed, ids=lambda resource: resource.address)
def test_every_filter_of_the_api_has_its_name_in_a_line(resource):
    filters = resource_filters(resource)

    for name in filters:
        value = filters[name].schema.get("enum", ["true" if filters[name].schema.get("type") == "boolean" else "x"])[0]
        assert query_line.parse(f"{name}:{value}", filters) == {name: [value]}, name


@pytest.mark.parametrize("resource", registry.addressed, ids=lambda resource: resource.address)
def test_every_filter_that_accepts_several_values_can_be_excluded(resource):
    filters = resource_filters(resource)
    excluded = {name for name in filters if f"{name}__not" in filters}

    assert {name for name, filter in filters.items() if filter.many and "__" not in name} == excluded


@pytest.mark.parametrize(
    ("text", "flag"), [("overdeu ports", "overdue"), ("stael", "stale"), ("ports of call", ""), ('"overdeu"', ""), ("", "")]
)
def test_a_word_of_the_text_that_resembles_a_flag_is_recognised(text, flag, filters):
    assert query_line.similar_flag(text, filters) == flag


FILTERS = resource_filters(registry.at("recommendations"))
VALUES = st.text(max_size=12) | st.sampled_from(["AUS", "2026..2027", "..", ",", "a b", '"', "\\", "-x", "overdue", "", "true"])


def values_of(name: str) -> st.SearchStrategy:
    filter = FILTERS[name]
    codes = ["true", "false"] if filter.schema.get("type") == "boolean" else filter.schema.get("enum")
    value = st.sampled_from(codes) if codes else VALUES
    return st.lists(value, min_size=1, max_size=3 if filter.many else 1)


PARAMETERS = st.lists(st.sampled_from(sorted(FILTERS)), unique=True, max_size=5).flatmap(
    lambda names: st.fixed_dictionaries({name: values_of(name) for name in names})
)


@given(PARAMETERS)
def test_a_line_that_is_written_from_parameters_has_these_parameters(parameters):
    assert query_line.parse(query_line.write(parameters, FILTERS), FILTERS) == parameters


@given(st.text(max_size=60) | st.lists(st.sampled_from([word for line, _ in LINES for word in line.split()]), max_size=6).map(" ".join))
def test_a_line_that_is_read_and_written_again_keeps_its_meaning(line):
    try:
        parameters = query_line.parse(line, FILTERS)
    except WrongWord:
        return

    assert query_line.parse(query_line.write(parameters, FILTERS), FILTERS) == parameters
