"""Text of others is bounded and shows what it holds."""

from harness.report.text import clean


def test_control_and_direction_characters_are_made_visible() -> None:
    """Nothing in a log line can hide, ring, or turn the text around."""
    assert clean("a\x00b\x1b[31mc\u202ed\x7f\x9b") == "a␀b␛[31mc�d␡�"
    assert clean("one\ntwo\tthree") == "one two three"


def test_a_long_text_is_cut_and_says_so() -> None:
    """A megabyte of error message costs the page four hundred characters."""
    shown = clean("x" * 1_000_000)
    assert len(shown) < 450
    assert shown.endswith("… (cut: 1,000,000 characters)")


def test_lone_surrogates_do_not_break_the_file() -> None:
    """What a torn file left must be writable as UTF-8."""
    clean("a\ud800b").encode("utf-8")
