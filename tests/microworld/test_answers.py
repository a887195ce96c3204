import pytest

from anyany.microworld.oracles.answers import is_right

TWO_RED = {"scene": {"modality": "image", "things": [{"number": 2, "color": "red", "shape": "circle"}]}}


@pytest.mark.parametrize(
    ("reply", "answer", "right"),
    [
        ("three", {"attribute": "number", "value": 3}, True),
        ("There are 3 circles.", {"attribute": "number", "value": 3}, True),
        ("There are two or three.", {"attribute": "number", "value": 3}, False),
        ("There are no apples left.", {"attribute": "number", "value": 0}, True),
        ("They slide to the left.", {"attribute": "motion", "value": "left"}, True),
        ("on the left side", {"attribute": "place", "value": "left"}, True),
        ("It gets smaller.", {"attribute": "motion", "value": "grow"}, False),
        ("medium", {"attribute": "pitch", "value": "middle"}, True),
        ("Yes, it is red.", {"attribute": "yes or no", "value": "yes"}, True),
        ("No.", {"attribute": "yes or no", "value": "yes"}, False),
        ("That is not said.", {"attribute": "unsaid", "value": "not said"}, True),
        ("red", {"attribute": "unsaid", "value": "not said"}, False),
        ("HAT", {"text": "HAT", "exact": True}, True),
        ("hat", {"text": "HAT", "exact": True}, False),
        ("you are welcome", {"any": ["My pleasure.", "You are welcome."]}, True),
        (
            "two circles in red",
            {"scene": {"modality": "image", "things": [{"number": 2, "color": "red", "shape": "circle"}]}},
            True,
        ),
        (
            "two red rings",
            {"scene": {"modality": "image", "things": [{"number": 2, "color": "red", "shape": "circle"}]}},
            False,
        ),
    ],
)
def test_replies_are_judged_by_what_they_say(reply, answer, right):
    assert is_right(reply, answer) == right
