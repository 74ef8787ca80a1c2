"""Scores without a database: rounding, hundredths as text, patterns, and how often scores decay."""

from datetime import timedelta

import pytest

from springhead.model.scores import ScoreLine, ScoreRule, decay_interval, points_text, rounding_line, to_score


@pytest.mark.parametrize(
    ("hundredths", "score"),
    [
        (0, 0), (49, 0), (50, 1), (-49, 0), (-50, -1), (150, 2), (-150, -2), (667, 7), (3_276_700, 32767),
        (3_276_749, 32767), (10**12, 32767), (-3_276_800, -32768), (-(10**12), -32768),
    ],
)  # fmt: skip
def test_a_score_is_the_nearest_whole_number_that_a_smallint_holds(hundredths: int, score: int) -> None:
    assert to_score(hundredths) == score


@pytest.mark.parametrize(
    ("hundredths", "text"),
    [(0, "0"), (5, "0.05"), (50, "0.5"), (667, "6.67"), (-50, "-0.5"), (1200, "12"), (-100, "-1"), (110, "1.1")],
)
def test_hundredths_are_shown_as_short_as_can_be(hundredths: int, text: str) -> None:
    assert points_text(hundredths) == text


def test_the_closing_line_has_what_is_missing_to_whole_numbers() -> None:
    def line(points: int, weighted: int) -> ScoreLine:
        return ScoreLine(points=points, weighted=weighted)

    assert rounding_line([]) == []
    assert rounding_line([line(100, 200), line(-300, 0)]) == []
    (last,) = rounding_line([line(667, 333)])
    assert (last.part, last.points, last.weighted) == ("rounding", 33, -33)
    (last,) = rounding_line([line(10_000_000, 0)])
    assert last.points == 3_276_700 - 10_000_000


def likes(part: str, pattern: str | None) -> list[str] | None:
    rule = ScoreRule(id=1, name="x", part="pageTracking" if part == "page" else "engagement", points=1, pattern=pattern)
    return rule.like_patterns


def test_a_pattern_stands_for_itself_but_for_its_stars() -> None:
    assert likes("event", "A*b_c%d\\e") == ["a%b\\_c\\%d\\\\e"]
    assert likes("page", "/a_*") == ["/a\\_%", "/a\\_%/"]
    assert likes("page", "/ä/") == ["/ä", "/ä/", "/\\%C3\\%A4", "/\\%C3\\%A4/"]
    assert likes("event", None) is likes("page", "") is None


def test_scores_sink_thirty_times_in_a_half_life_and_once_a_day_at_least() -> None:
    assert decay_interval(3_650) == decay_interval(30) == timedelta(days=1)
    assert decay_interval(15) == timedelta(hours=12)
    assert decay_interval(1) == timedelta(minutes=48)


def test_page_tracking_counts_both_kinds_of_visits_unless_it_names_one() -> None:
    rule = ScoreRule(id=1, name="x", part="pageTracking", points=1)
    assert rule.sources == ("pageVisit", "importantPageVisit")
    assert ScoreRule(id=1, name="x", part="pageTracking", points=1, event_source="pageVisit").sources == ("pageVisit",)
    assert ScoreRule(id=1, name="x", part="fit", points=1).sources == ()
