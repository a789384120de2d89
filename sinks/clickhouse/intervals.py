"""The parts of queries about intervals that the catalogue says: what each answer adds, by person, and in which order.

Intervals of all metrics are computed together, as arrays with a place for each of `Catalogue.statistics`; the formulas
stand in SQL once (interval_effects.sql, interval_ends.sql), and these lists say what they are applied to.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from touchstream.schemas.measures import AnswerCounts, Measure, Statistic
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.touchpoint import MICRO, NUMBERS, SCALES
from touchstream.sinks.clickhouse.measures import counted, has

PEOPLE_MIN: Final = 10
"""People below whom there is no interval; docs/metrics.md."""
SPREAD: Final = "_spread"
"""In a map of design effects, behind a metric's name: the variance of its answers, where panes don't tell it."""
_KINDS: Final = {"share": 0, "net_share": 1, "mean": 2, "amount": 3, "quantile": 4}
_TERMS: Final[Mapping[str, Mapping[str, float]]] = {
    "a": {},
    "a_t": {"share": 0.5, "mean": 0.5},
    "b": {"net_share": 3.0},
    "b_t": {"share": 1.0, "mean": 1.0},
    "c": {"net_share": 1.5},
    "c_t": {"share": 0.25, "mean": 0.25},
}
"""The terms a, b and c of interval_ends.sql by kind, and what each t² adds to them; those of quantiles are apart."""
_OUT: Final = {"percent": 100, "points": 100}
"""By unit, by how much a field is larger than the share that it says."""


def interval_parts(catalogue: Catalogue) -> Mapping[str, str]:
    """Each part's name and SQL."""
    plan = _Plan(catalogue)
    return {
        # Each person's answers: how many, their sum, their sum of squares.
        "answers_of_person": _lines(plan.of_person()),
        "answers_added_up": _lines(plan.added_up()),
        "answers_of_people": _lines(plan.of_people()),
        "events_with_answers": " OR ".join(dict.fromkeys(plan.present())),
        "quantile_people": _lines(map(_people_of_sketch, plan.sketches)),
        "quantile_values": _lines(_value(sketch, percent) for sketch, percent in plan.quantiles),
        "quantile_below": _lines(_below(sketch, percent) for sketch, percent in plan.quantiles),
        "interval_moments": _lines(plan.moments()),
        "people_min": str(PEOPLE_MIN),
        "spread": SPREAD,
        # Each place's kind, scale and name.
        "interval_kinds": _array(plan.each(lambda one: str(_KINDS[plan.kind(one)]))),
        "interval_lows": _array(plan.each(lambda one: f"{plan.scale(one)[0]}.")),
        "interval_spans": _array(plan.each(lambda one: f"{plan.scale(one)[1]}.")),
        "interval_unknown": _array(plan.each(lambda one: str(int(one.sum is not None)))),
        # Shares of answers below and above a quantile; 0 for what is none.
        "interval_levels": _array(plan.each(lambda one: f"{(one.percent or 0) / 100:g}")),
        "interval_others": _array(plan.each(lambda one: f"{1 - one.percent / 100 if one.percent else 0:g}")),
        **{f"interval_{name}": _array(plan.each(partial(plan.term, name))) for name in _TERMS},
        "interval_names": _array(f"'{name}'" for name in plan.names),
        "interval_outs": _array(map(plan.out, plan.names)),
        "interval_plain": str(len(plan.names) - len(plan.quantiles)),
        "exact_buckets": _array(plan.buckets(exact=True)),
        "live_buckets": _array(plan.buckets(exact=False)),
        # The same of panes that were added up.
        "interval_sums_n": _array(plan.each(plan.sums_n)),
        "interval_sums_s": _array(plan.each(plan.sums_s)),
        "interval_sums_q": _array(plan.each(plan.sums_q)),
        "live_bounds": _lines(plan.fields()),
    }


def mean_scale(catalogue: Catalogue, name: str) -> tuple[int, int] | None:
    """The ends of the scale of a mean whose variance panes don't tell, in the unit of sums; twice 0 for amounts."""
    plan, one = _Plan(catalogue), catalogue.statistics[name]
    if one.sum is None:
        return None
    low, span = plan.scale(one)
    return (0, 0) if plan.kind(one) == "amount" else (low, low + span)


class _Plan:
    """The statistics of a catalogue with their measures, each under the name of its metric."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue, self._statistics = catalogue, catalogue.statistics
        self._measures = {one.name: one for one in catalogue.measures}
        self._answers = {one.counts.name: one.counts for one in catalogue.instruments.declared}
        self.names = tuple(self._statistics)
        self.quantiles = [(one.sketch, one.percent) for one in self._statistics.values() if one.sketch and one.percent]
        self.sketches = [self._measures[name] for name in dict.fromkeys(sketch for sketch, _ in self.quantiles)]

    def each(self, said: Callable[[Statistic], str]) -> Iterable[str]:
        """Something of each place."""
        return map(said, self._statistics.values())

    def kind(self, one: Statistic) -> str:
        """Which formula: a mean whose numbers have no scale is one of amounts."""
        return "amount" if one.sum and NUMBERS[self._field(one.sum)] == "long" else one.kind

    def scale(self, one: Statistic) -> tuple[int, int]:
        """The lowest value and the distance to the highest, in the unit of sums; 0 and 1 where there is none."""
        if self.kind(one) != "mean":
            return 0, 1
        if one.histogram:
            answers = self._histogram(one).answers
            return answers[0], answers[-1] - answers[0]
        measure = self._measures[one.sum or ""]
        low, high = SCALES[self._field(measure.name)]
        return low * measure.unit, (high - low) * measure.unit

    def term(self, name: str, one: Statistic) -> str:
        """One of _TERMS."""
        skewness = (1 - 2 * (one.percent or 50) / 100) / 6
        return f"{_TERMS[name].get(self.kind(one), {'a': -skewness, 'a_t': skewness}.get(name, 0.0)):.17g}"

    def _histogram(self, one: Statistic) -> Measure | AnswerCounts:
        """How often each answer was given: to a field of the event, or to a declared instrument."""
        name = one.histogram or ""
        return self._answers[name] if name in self._answers else self._measures[name]

    def _field(self, measure: str) -> str:
        return self._measures[measure].field or ""

    def _has(self, names: Iterable[str]) -> str:
        return " OR ".join(f"({has(self._measures[name])})" for name in names)

    def _answer(self, one: Statistic) -> tuple[str, str, str]:
        """Aggregates over a person's events: how many answers, their sum and their sum of squares."""
        if one.of:
            share = f"countIf({self._has(one.share)})"
            return f"countIf({self._has(one.of)})", share, share
        if one.histogram:
            histogram = self._histogram(one)
            column = histogram.column
            present = histogram.condition if isinstance(histogram, AnswerCounts) else f"isNotNull({column})"
            of = f"{present} AND " if isinstance(histogram, AnswerCounts) else ""
            n = f"countIf({present})"
            top = f"countIf({of}{column} {'<=' if one.low else '>='} {one.top})"
            bottom = f"countIf({of}{column} <= {one.bottom})"
            if one.bottom is not None:
                return n, f"toInt64({top}) - toInt64({bottom})", f"{top} + {bottom}"
            if one.top is not None:
                return n, top, top
            value = f"toInt64(assumeNotNull({column}))"
            return n, f"sumIf({value}, {present})", f"sumIf({value} * {value}, {present})"
        measure = self._measures[one.sum or ""]
        value, of = f"toFloat64(assumeNotNull({measure.column}))", has(measure)
        answered = f"countIf({has(self._measures[one.n or ''])})"
        return answered, f"sumIf({value}, {of})", f"sumIf({value} * {value}, {of})"

    def _plain(self) -> dict[str, tuple[str, str, str]]:
        """The columns of how many answers, their sum and their sum of squares; metrics that agree in one share it."""
        names: dict[str, str] = {}
        found: dict[str, tuple[str, str, str]] = {}
        for name, one in self._statistics.items():
            if not one.sketch:
                n, s, q = (
                    names.setdefault(said, f"{name}_{part}")
                    for part, said in zip("ksq", self._answer(one), strict=True)
                )
                found[name] = n, s, q
        return found

    def of_person(self) -> Iterable[str]:
        """Over a person's events; quantiles need each value."""
        named: dict[str, str] = {}
        for name, columns in self._plain().items():
            named |= dict(zip(columns, self._answer(self._statistics[name]), strict=True))
        for name, said in named.items():
            yield f"toFloat64({said}) AS {name}"
        for sketch in self.sketches:
            value = f"assumeNotNull({sketch.column})"
            # The bucket of a value is ceil(log value / log gamma), gamma = 1.01 / 0.99; 0 stands in bucket -1.
            bucket = f"if({value} = 0, -1, ceil(log(greatest(1, {value})) / log(1.01 / 0.99)))"
            yield f"groupArrayIf(toInt16({bucket}), {has(sketch)}) AS {sketch.name}_values"

    def added_up(self) -> Iterable[str]:
        """Over rows of `answers_of_person`: the same of several rows of a person."""
        for name in dict.fromkeys(column for columns in self._plain().values() for column in columns):
            yield f"sum({name}) AS {name}"
        yield from (f"groupArrayArray({one.name}_values) AS {one.name}_values" for one in self.sketches)

    def of_people(self) -> Iterable[str]:
        """Over people: each sum as an array."""
        of = {
            "people": "toFloat64(countIf({0} > 0))", "n": "sum({0})", "s": "sum({1})", "q": "sum({2})",
            "kk": "sum({0} * {0})", "kkkk": "sum(pow({0}, 4))", "sk": "sum({1} * {0})", "ss": "sum({1} * {1})",
        }  # fmt: skip
        for part, text in of.items():
            yield f"{_array(text.format(*columns) for columns in self._plain().values())} AS plain_{part}"
        for sketch in self.sketches:
            yield f"groupArrayIf({sketch.name}_values, notEmpty({sketch.name}_values)) AS {sketch.name}_people"

    def present(self) -> Iterable[str]:
        """Conditions on an event, one of which holds where it has an answer to anything."""
        for one in self._statistics.values():
            if one.of:
                yield self._has(one.of)
            elif one.histogram in self._answers:
                yield f"({self._answers[one.histogram].condition})"
            elif measure := self._measures.get(one.histogram or one.sketch or one.n or ""):
                yield f"({has(measure)})"

    def moments(self) -> Iterable[str]:
        """The arrays of `of_people`, with the quantiles' behind: there an answer is whether it is at most that."""
        of = {
            "people": "toFloat64(length({0}_people))", "n": "arraySum({0}_ks)", "s": "arraySum({0}_{1}_ss)",
            "q": "arraySum({0}_{1}_ss)", "kk": "arrayDotProduct({0}_ks, {0}_ks)",
            "kkkk": "arraySum(k -> pow(k, 4), {0}_ks)",
            "sk": "arrayDotProduct({0}_{1}_ss, {0}_ks)", "ss": "arrayDotProduct({0}_{1}_ss, {0}_{1}_ss)",
        }  # fmt: skip
        for part, text in of.items():
            behind = _array(text.format(sketch, f"p{percent}") for sketch, percent in self.quantiles)
            yield f"arrayConcat(plain_{part}, {behind}) AS {part}_" if self.quantiles else f"plain_{part} AS {part}_"

    def out(self, name: str) -> str:
        """By how much a field is larger than the end of its interval in the unit of sums."""
        one = self._statistics[name]
        if one.histogram in self._answers:
            quantum = self._answers[one.histogram].quantum if one.kind == "mean" else MICRO
            return f"{_OUT.get(self._catalogue.metrics[name].unit, 1) * quantum / MICRO:.15g}"
        unit = self._measures[one.histogram or one.sum or one.sketch or one.of[0]].unit
        return f"{_OUT.get(self._catalogue.metrics[name].unit, 1) / unit:g}"

    def buckets(self, *, exact: bool) -> Iterable[str]:
        """The bucket at the rank that is an end of a quantile's interval."""
        for place, one in enumerate(self._statistics.values(), 1):
            if one.sketch and exact:
                yield f"{one.sketch}_sorted[toUInt64(ifNull(ends_[{place}], 1))]"
            elif one.sketch:
                below = f"arrayCount(seen_ -> seen_ < ifNull(ends_[{place}], 1), {one.sketch}_seen)"
                yield f"{one.sketch}_buckets[{below} + 1]"

    def fields(self) -> Iterable[str]:
        """The ends of each interval."""
        for place, name in enumerate(self.names, 1):
            yield f"ends_[{place}] AS {name}_low, ends_[{place + len(self.names)}] AS {name}_high"

    def sums_n(self, one: Statistic) -> str:
        """How many answers, of panes that were added up."""
        if one.of:
            said = " + ".join(f"sum_{name}" for name in one.of)
        elif one.sketch:
            said = f"{one.sketch}_n"
        elif one.histogram:
            said = f"arraySum({self._counts(one)})"
        elif self._by_currency(one):
            said = f"if(length(sum_{one.sum}) = 1, sum_{one.n}, 0)"
        else:
            said = f"sum_{one.n}"
        return said

    def sums_s(self, one: Statistic) -> str:
        """The sum of the answers."""
        if one.of:
            said = " + ".join(f"sum_{name}" for name in one.share)
        elif one.sketch:
            said = "0"
        elif one.histogram:
            said = self._of_histogram(one, "answer_", "-")
        else:
            said = f"mapValues(sum_{one.sum})[1]" if self._by_currency(one) else f"sum_{one.sum}"
        return said

    def sums_q(self, one: Statistic) -> str:
        """The sum of their squares; 0 where panes don't tell it."""
        if one.histogram:
            return self._of_histogram(one, "answer_ * answer_", "+")
        return self.sums_s(one) if one.of else "0"

    def _by_currency(self, one: Statistic) -> bool:
        return self._measures[one.sum or ""].kind == "sum_by_currency"

    def _of_histogram(self, one: Statistic, value: str, sign: str) -> str:
        counts, answers = self._counts(one), self._histogram(one).answers
        if one.top is None:
            each = f"range({answers.start}, {answers.stop})" if isinstance(answers, range) else f"{[*answers]}"
            return f"arraySum((count_, answer_) -> count_ * {value}, {counts}, {each})"
        place = answers.index(one.top) + 1
        if one.low:
            return f"arraySum(arraySlice({counts}, 1, {place}))"
        top = f"arraySum(arraySlice({counts}, {place}))"
        if one.bottom is None:
            return top
        return f"{top} {sign} arraySum(arraySlice({counts}, 1, {answers.index(one.bottom) + 1}))"

    def _counts(self, one: Statistic) -> str:
        """The histogram, of panes that were added up."""
        answers = self._answers.get(one.histogram or "")
        return f"sum_{one.histogram}" if answers is None else counted(answers, "sum_answer_counts")


def _people_of_sketch(sketch: Measure) -> str:
    people = f"{sketch.name}_people"
    return (
        f"arraySort(arrayFlatten({people})) AS {sketch.name}_sorted,"
        f" arrayMap(values_ -> toFloat64(length(values_)), {people}) AS {sketch.name}_ks"
    )


def _value(sketch: str, percent: int) -> str:
    """The bucket of the quantile, as `quantile_counts` has it."""
    rank = f"greatest(0, intDiv({percent} * (toInt64(length({sketch}_sorted)) - 1), 100)) + 1"
    return f"{sketch}_sorted[{rank}] AS {sketch}_p{percent}"


def _below(sketch: str, percent: int) -> str:
    """How many of each person's values are at most the quantile."""
    return (
        f"arrayMap(values_ -> toFloat64(arrayCount(value -> value <= {sketch}_p{percent}, values_)), {sketch}_people)"
        f" AS {sketch}_p{percent}_ss"
    )


def _lines(parts: Iterable[str]) -> str:
    return ",\n    ".join(parts)


def _array(parts: Iterable[str]) -> str:
    return f"[{', '.join(parts)}]"
