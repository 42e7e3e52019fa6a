import re

import pytest

from pipeline.data.datasets.wider_face.prediction_lines import Reading, parse_lines


def test_plain_file_reads_alike() -> None:
    data = b"name\n2\n1 2 3 4 0.5 \n5 6 7 8 0.25\n"
    for reading in ("matlab", "python"):
        assert parse_lines("f", data, reading).rows == [(1, 2, 3, 4, 0.5), (5, 6, 7, 8, 0.25)]  # type: ignore[arg-type]


def test_matlab_tolerates_blanks_spaces_commas_and_crlf() -> None:
    parsed = parse_lines("f", b" name \r\n\r\n 2\r\n  1  2\t3 4 0.5\r\n\r\n1,2,3,4,0.1  \r\n\r\n", "matlab")
    assert parsed.rows == [(1, 2, 3, 4, 0.5), (1, 2, 3, 4, 0.1)]
    assert (parsed.name, parsed.stated, parsed.present) == ("name", 2, 2)


def test_matlab_believes_the_count_and_takes_the_last_number() -> None:
    parsed = parse_lines("f", b"n\n1\n1 2 3 4 0.5 7\n1 2 3 4 0.25\n", "matlab")
    assert (parsed.rows, parsed.stated, parsed.present) == ([(1, 2, 3, 4, 7)], 1, 2)


def test_python_ignores_the_count_takes_the_fifth_and_skips_indented_rows() -> None:
    parsed = parse_lines("f", b"n\nwhat\n1 2 3 4 0.5 7\n 9 9 9 9 9\n\n1 2 3 4 0.25 \n", "python")
    assert (parsed.rows, parsed.stated) == ([(1, 2, 3, 4, 0.5), (1, 2, 3, 4, 0.25)], None)


@pytest.mark.parametrize(
    ("data", "reading", "where"),
    [
        (b"", "matlab", "f:1: expected the image's name, found the end of the file"),
        (b"", "python", "f:1: expected the image's name, found the end of the file"),
        (b"n\n", "matlab", "f:2: expected the number of rows, found the end of the file"),
        (b"n\ntwo\n", "matlab", "f:2: expected the number of rows, found 'two'"),
        (b"n\n-1\n", "matlab", "f:2: expected the number of rows, found '-1'"),
        (b"n\n1.5\n", "matlab", "f:2: expected the number of rows, found '1.5'"),
        (b"n\ninf\n", "matlab", "f:2: expected the number of rows, found 'inf'"),
        (b"n\n2\n1 2 3 4 1", "matlab", "f:3: expected 2 rows as line 2 says, found 1 rows"),
        (b"n\n1\n\n1 2 3 4\n", "matlab", "f:4: expected a row 'x y w h score' of five numbers, found '1 2 3 4'"),
        (b"n\n1\n1 2 x 4 5\n", "python", "f:3: expected a row 'x y w h score' of five numbers, found '1 2 x 4 5'"),
        (b"n\n1\n1  2 3 4 5\n", "python", "f:3: expected a row 'x y w h score' of five numbers, found '1  2 3 4 5'"),
        (b"n\n1\n1 2 3 4 1_0\n", "matlab", "f:3: expected a row 'x y w h score' of five numbers, found '1 2 3 4 1_0'"),
        (b"n\n1\n1 2 3 4 nan\n", "matlab", "f:3: expected finite numbers, found '1 2 3 4 nan'"),
        (b"n\n1\n1 2 inf 4 1\n", "python", "f:3: expected finite numbers, found '1 2 inf 4 1'"),
    ],
)
def test_malformed_lines_are_named(data: bytes, reading: Reading, where: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(where)}$"):
        parse_lines("f", data, reading)
