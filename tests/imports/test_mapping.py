"""Mapping files: their keys, blocks that share settings, and errors that name the line and the key."""

import pytest

from policytracker.importing.mapping import Column, FileMapping, MappingError, read

RECOMMENDATION = '[columns]\nslug = "id"\n'


@pytest.fixture
def mapped(tmp_path):
    """Read a mapping file with this text."""

    def read_text(text: str, resource: str = "recommendations") -> FileMapping:
        path = tmp_path / "map.toml"
        path.write_text(text)
        return read(path, resource)

    return read_text


def refusal(mapped, text: str, resource: str = "recommendations") -> str:
    with pytest.raises(MappingError) as error:
        mapped(text, resource)
    return str(error.value)


def test_columns_constants_codes_ignore_and_path_are_read(mapped):
    mapping = mapped(
        'resource = "recommendations"\npath = "data.items"\nignore = ["Notes"]\n'
        '[columns]\nslug = "ID"\ndetails = { join = ["What", "Why"] }\n'
        '[constants]\npriority = "low"\nsectors = ["a", "b"]\nupdate_every = 30\n'
        '[codes.priority]\nYes = "high"\n'
    )

    (record,) = mapping.records
    assert (record.resource, mapping.path, mapping.ignore) == ("recommendations", ("data", "items"), {"Notes"})
    assert record.columns == {"slug": Column(("ID",)), "details": Column(("What", "Why"), join=True)}
    assert record.constants == {"priority": "low", "sectors": ["a", "b"], "update_every": "30"}
    assert record.codes == {"priority": {"Yes": "high"}}


def test_blocks_of_the_resource_of_the_file_share_its_columns(mapped):
    mapping = mapped(
        'resource = "treaty-actions"\n[columns]\nagreement = "Treaty"\nparty = "Party"\nacted_on = "Date"\n'
        '[[records]]\nwhen = "Signed"\n[records.columns]\nacted_on = "Signed"\n[records.constants]\nkind = "signature"\n'
        '[[records]]\nconstants = { kind = "deposit", acted_on = "2020" }\n',
        "",
    )

    first, second = mapping.records
    shared = {"agreement": Column(("Treaty",)), "party": Column(("Party",))}
    assert (first.when, first.columns) == (("Signed",), shared | {"acted_on": Column(("Signed",))})
    assert second.columns == shared
    assert second.constants == {"kind": "deposit", "acted_on": "2020"}


def test_a_file_with_blocks_of_other_resources_makes_a_record_itself(mapped):
    mapping = mapped(f'{RECOMMENDATION}[[records]]\nresource = "addressees"\npath = "agencies"\n[records.columns]\nrecommendation = "id"\n')

    assert [record.resource for record in mapping.records] == ["recommendations", "addressees"]
    assert mapping.records[1].path == ("agencies",)


def test_a_section_of_the_file_belongs_to_the_block_that_knows_it(mapped):
    mapping = mapped(
        'resource = "recommendations"\n[[records]]\nresource = "recommendations"\ncolumns = { slug = "id" }\n'
        '[[records]]\nresource = "addressees"\n[progress]\nscheme = "GAO"\nstatus = "Status"\nreported_on = 2020-01-31\n'
    )

    assert [len(record.sections) for record in mapping.records] == [1, 0]


def test_several_sections_of_one_name_are_read(mapped):
    part = '[[progress]]\nscheme = "OGP"\nstatus = "{0}"\nreported_on = "{0} date"\n'

    mapping = mapped(RECOMMENDATION + part.format("Midterm") + part.format("End"))

    assert len(mapping.records[0].sections) == 2


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("[columns\n", "line 1", ""),
        ('resource = "nothing"\n', "line 1", "resource"),
        ('resource = "parties"\n', "line 1", "resource"),
        ('resource = "progress-updates"\n', "line 1", "resource"),
        ('[columns]\nslug = "id"\ntitel = "Title"\n', "line 3", "columns.titel"),
        ("[columns]\nslug = 3\n", "line 2", "columns.slug"),
        ('columns = "id"\n', "line 1", "columns"),
        ('[columns]\nslug = "id"\n[constants]\nslug = "x"\n', "line 4", "constants.slug"),
        ("[constants]\nslug = { a = 1 }\n", "line 2", "constants.slug"),
        ('[codes.prio]\nA = "high"\n', "line 1", "codes.prio"),
        ('[codes.priority]\nA = ["high"]\n', "line 2", "codes.priority.A"),
        ('ignore = "Notes"\n', "line 1", "ignore"),
        ("path = 3\n", "line 1", "path"),
        ('dates = "day"\n', "line 1", "dates"),
        ('empty = "NA"\n', "line 1", "empty"),
        ('key_prefix = "a b"\n', "line 1", "key_prefix"),
        ('[columns]\nslug = { from = "a", join = ["b"] }\n', "line 2", "columns.slug"),
        ('[columns]\nslug = { from = "a", sep = ";" }\n', "", "columns.slug.sep"),
        ('[columns]\nslug = { from = "a", cut = "x" }\n', "", "columns.slug.cut"),
        ('[columns]\nslug = { join = ["a"], split = ";" }\n', "line 2", "columns.slug"),
        ("[columns]\nslug = []\n", "line 2", "columns.slug"),
        ('[[records]]\nempty = ["NA"]\n', "line 2", "records[1].empty"),
        ('colums = { slug = "id" }\n', "line 1", "colums"),
        ("records = 3\n", "line 1", "records"),
        (f'{RECOMMENDATION}[[records]]\nresource = "addressees"\n\n[records.columns]\nparti = "P"\n', "line 7", "records[1].columns.parti"),
        ('[progress]\nstatus = "S"\nreported_on = "D"\n', "", "progress.scheme"),
        ('[progress]\nscheme = "Nobody"\nstatus = "S"\nreported_on = "D"\n', "line 2", "progress.scheme"),
        ('[progress]\nscheme = "GAO"\nreported_on = "D"\n', "", "progress.status"),
        ('[progress]\nscheme = "GAO"\nstatus = "S"\n', "", "progress.reported_on"),
        ('[progress]\nscheme = "GAO"\nstatus = "S"\nreported_on = "D"\nstate = "x"\n', "line 5", "progress.state"),
        ('[progress]\nstatus = "S"\nreported_on = "D"\n[progress.codes]\nOpen = "opened"\n', "line 5", "progress.codes.Open"),
        ('progress = "GAO"\n', "line 1", "progress"),
    ],
)
def test_an_error_names_the_line_and_the_key(mapped, text, line, key):
    message = refusal(mapped, text)

    assert "map.toml" in message
    assert line in message
    assert key in message


def test_a_section_of_no_record_is_refused(mapped):
    assert "progress" in refusal(mapped, '[progress]\nscheme = "GAO"\n', "parties")


def test_a_mapping_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b'resource = "\xe9"\n')

    for name in ("missing.toml", "latin.toml"):
        with pytest.raises(MappingError):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("windows-1250", "windows-1250"), ("CP1250", "windows-1250"), ("Shift_JIS", "shift_jis"), ("zlib", None), ("", "")],
)
def test_the_encoding_is_one_that_a_table_can_have(mapped, name, encoding):
    text = f'encoding = "{name}"\n{RECOMMENDATION}'

    if encoding is None:
        assert "line 1, encoding" in refusal(mapped, text)
    else:
        assert mapped(text).encoding == encoding
