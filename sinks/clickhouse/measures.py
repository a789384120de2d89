"""The parts of queries that the catalogue says, by their placeholders: lists of measures and metrics, as SQL.

`{summed_measures}` in a query's text stands for the part of that name below (`sinks.clickhouse.sql`). A part that is
used twice is the same list twice, in the catalogue's order: no column is matched by a position counted by hand.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from touchstream.schemas.measures import AnswerCounts, Measure
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.touchpoint import MICRO, NUMBER_COLUMNS, NUMBERS, column_of

_TYPES: Final = {
    "sketch": "Map(Int16, Int64)",
    "sum_by_currency": "Map(String, Int64)",
    "answers": "Map(String, Int64)",
}
_SUMS: Final = {"histogram": "sumForEach", "sketch": "sumMap", "sum_by_currency": "sumMap", "answers": "sumMap"}
_BY_NAME: Final = ("sum_by_currency", "answers")
"""Kinds whose names tables keep in a dictionary, and sums as plain text."""
_ROLLED: Final = "Map(LowCardinality(String), Nullable(Float64))"
_LETTER_TYPES: Final = {"int": "Int8", "long": "Int64", "double": "Int64"}
_TRUE: Final = "true"


def catalogue_parts(catalogue: Catalogue) -> Mapping[str, str]:
    """Each part's name and SQL. What is summed are the measures that a metric rests on, under `sum_<name>`."""
    summed = catalogue.summed
    compared = [one for one in catalogue.measures if not one.of_duplicates]
    return {
        # stage_panes: as they are, and with currencies as plain text, which adds up with raw events.
        "summed_columns": _listed(summed, lambda one: one.name),
        "summed_measures": _listed(summed, _plain),
        "pane_measures": _listed(catalogue.measures, _plain),
        "summed_of_event": _named(summed, _of_event),
        "summed_zeros": _named(summed, _zero),
        "folded_measures": _named(summed, _folded),
        "sums_of_measures": _listed(summed, lambda one: f"{_sum(one)} AS sum_{one.name}"),
        "recomputed_measures": _named(compared, _recomputed),
        "recomputed_texts": _listed(compared, _text),
        "recomputed_zeros": _listed(compared, lambda one: f"toString({_zero(one)})"),
        "recomputed_names": _listed(compared, lambda one: f"'{one.name}'"),
        "sketch_buckets": _lines(_bucket(one.column) for one in catalogue.measures if one.kind == "sketch"),
        "sums_that_are_passed_on": _listed(
            [one for one in summed if one.kind not in ("histogram", "sketch", "answers")], lambda one: f"sum_{one.name}"
        ),
        "quantile_counts": _lines(_quantile_counts(sketch, of) for sketch, of in _percents(catalogue).items()),
        "declared_metrics": _lines(_declared_metrics(catalogue)),
        "rolling_fields": _lines((*catalogue.columns_of("stage_metrics"), "instruments")),
        "instruments_of_row": _instruments_of_row(catalogue),
        "fields_of_instruments": _lines(
            [f"{_rolled(name)} AS {name}" for name in catalogue.instrument_fields] or ["NULL AS no_instruments"]
        ),
        **{one.counts.name: counted(one.counts, "answer_counts") for one in catalogue.instruments.declared},
        "journey_fields": _lines(catalogue.columns_of("journey_metrics")),
        "response_rates": _lines(map(_response_rate, catalogue.response_rates)),
        "answers_to_instruments": _lines(
            f"countIf({_answered(field)}) AS {field}_answers" for field in catalogue.response_rates
        ),
        "people_who_answered": _lines(
            f"toInt64(countIf(known AND {field}_answers > 0)) AS {field}_customers"
            for field in catalogue.response_rates
        ),
        "event_numbers": _lines(NUMBER_COLUMNS),
        "letter_numbers": _lines(map(_of_letter, NUMBERS)),
    }


def _lines(parts: Iterable[str]) -> str:
    return ",\n    ".join(parts)


def _listed(measures: Iterable[Measure], said: Callable[[Measure], str]) -> str:
    return _lines(map(said, measures))


def _named(measures: Iterable[Measure], said: Callable[[Measure], str]) -> str:
    return _lines(f"{said(one)} AS {one.name}" for one in measures)


def counted(one: AnswerCounts, answers: str) -> str:
    """The histogram of an instrument, of a measure of kind `answers`."""
    keys = ", ".join(f"'{key}'" for key in one.keys)
    return f"arrayMap(key_ -> {answers}[key_], [{keys}])"


def _rolled(field: str) -> str:
    """A field of an instrument in a rolling row."""
    value = f"instruments['{field}']"
    return f"toInt64(ifNull({value}, 0))" if field.endswith("_n") else value


def _instruments_of_row(catalogue: Catalogue) -> str:
    """What a rolling row keeps of instruments: what there is."""
    said = ", ".join(f"'{name}', toFloat64({name})" for name in catalogue.instrument_fields)
    if not said:
        return f"CAST(map(), '{_ROLLED}')"
    kept = "isNotNull(value_) AND NOT (endsWith(field_, '_n') AND ifNull(value_ = 0, false))"
    return f"mapFilter((field_, value_) -> {kept}, CAST(map({said}), '{_ROLLED}'))"


def _answered(name: str) -> str:
    """Whether a raw event answers an instrument: one that is a field, or a declared one."""
    return f"isNotNull({name})" if name in NUMBERS else f"instrument = '{name}'"


def _plain(one: Measure) -> str:
    if one.kind in _BY_NAME:
        return f"CAST(stage_panes.{one.name}, '{_TYPES[one.kind]}') AS {one.name}"
    return one.name


def _zero(one: Measure) -> str:
    if one.kind == "histogram":
        return f"arrayResize([]::Array(Int64), {len(one.answers)})"
    return f"CAST(map(), '{_TYPES[one.kind]}')" if one.kind in _TYPES else "toInt64(0)"


def _sum(one: Measure) -> str:
    return f"{_SUMS.get(one.kind, 'sum')}({one.name})"


def _folded(one: Measure) -> str:
    return f"sumMap(CAST({one.name}, '{_TYPES[one.kind]}'))" if one.kind in _BY_NAME else _sum(one)


def _conditions(one: Measure) -> list[str]:
    """What a raw event has to fulfil, which is a counted one: nothing for any, false for none."""
    if one.of_duplicates:
        return ["false"]
    return [
        f"{column} = '{value}'" if isinstance(value, str) else column if value else f"NOT {column}"
        for column, value in one.where.items()
        if column != "counted"
    ]


def has(one: Measure) -> str:
    """Whether a raw event is one that the measure is made of."""
    present = [f"isNotNull({one.column})"] if one.field else []
    return " AND ".join([*present, *_conditions(one)]) or _TRUE


def _of_event(one: Measure) -> str:
    """The measure of a single raw event."""
    present, column = has(one), one.column
    if one.kind == "count":
        return f"toInt64({present})"
    if one.kind == "sum":
        return f"toInt64(if({present}, assumeNotNull({column}), 0))"
    if one.kind == "histogram":
        answers = one.answers
        return f"arrayMap(answer -> toInt64(ifNull({column} = answer, 0)), range({answers.start}, {answers.stop}))"
    if one.kind == "sketch":
        # The bucket of a value is ceil(log value / log gamma), gamma = 1.01 / 0.99; 0 stands in bucket -1.
        bucket = f"if({column} = 0, -1, ceil(log(assumeNotNull({column})) / log(1.01 / 0.99)))"
        return f"CAST(mapFromArrays(if({present}, [{bucket}], []), if({present}, [1], [])), '{_TYPES[one.kind]}')"
    if one.kind == "answers":
        return (
            f"CAST(mapFromArrays(if({present}, [{_KEY_OF_ANSWER}], []), if({present}, [1], [])), '{_TYPES[one.kind]}')"
        )
    amounts = f"if({present}, [currency], []), if({present}, [assumeNotNull({column})], [])"
    return f"CAST(mapFromArrays({amounts}), '{_TYPES[one.kind]}')"


_KEY_OF_ANSWER: Final = "concat(instrument, ' ', toString(assumeNotNull(score_micro)))"


def _recomputed(one: Measure) -> str:
    """The measure of many raw events, as `reconcile_touches.sql` has them."""
    present, column = has(one), one.column
    if one.kind == "count":
        return f"toInt64(countIf({present}))"
    if one.kind == "sum":
        return f"ifNull(sumIf({column}, {present}), 0)"
    if one.kind == "histogram":
        return f"[{', '.join(f'countIf({column} = {answer})' for answer in one.answers)}]::Array(Int64)"
    if one.kind == "sketch":
        return f"sumMapIf(map({column}_bucket, toInt64(1)), {present})"
    if one.kind == "answers":
        return f"sumMapIf(map({_KEY_OF_ANSWER}, toInt64(1)), {present})"
    return f"sumMapIf(map(currency_code, ifNull({column}, 0)), {present})"


def _text(one: Measure) -> str:
    """What a pane says; maps in the order of their keys, and without what added up to nothing."""
    if one.kind in _TYPES:
        return f"toString(mapSort(mapFilter((key, n) -> n != 0, {one.name})))"
    return f"toString({one.name})"


def _bucket(column: str) -> str:
    """A raw event's bucket in the sketch of a column.

    Bucket k ends at the k-th bound (counted from 0), in whole numbers; a logarithm finds it, but for one that is off
    where a bound is all but a whole number.
    """
    bounds, least, about = "{bounds:Array(Int64)}", f"{column}_at_least_1", f"{column}_about"
    return (
        f"greatest(ifNull({column}, 1), 1) AS {least}, toInt16(ceil(log({least}) / log(1.01 / 0.99))) AS {about},"
        f" toInt16(multiIf({column} = 0, -1, {about} > 0 AND {bounds}[{about}] >= {least}, {about} - 1,"
        f" {bounds}[{about} + 1] < {least}, {about} + 1, {about})) AS {column}_bucket"
    )


def _percents(catalogue: Catalogue) -> dict[str, list[int]]:
    """The quantiles that are asked for, by sketch."""
    percents: dict[str, list[int]] = {}
    for metric in catalogue.metrics.values():
        if metric.computed and metric.computed.sketch and metric.computed.percent:
            percents.setdefault(metric.computed.sketch, []).append(metric.computed.percent)
    return percents


def _quantile_counts(sketch: str, percents: list[int]) -> str:
    """Buckets in their order, how many values each and those below it have, and the bucket of each quantile.

    Quantile of a DDSketch (Masson, Rim, Lee 2019): the first bucket with more than q (n - 1) values up to it, q in per
    cent, so that the comparison is one of integers.
    """
    counts, keys = f"mapValues(sum_{sketch})", f"mapKeys(sum_{sketch})"
    return (
        f"arraySort({keys}) AS {sketch}_buckets,"
        f" arrayCumSum(arraySort((count_, bucket) -> bucket, {counts}, {keys})) AS {sketch}_seen,"
        f" arraySum({counts}) AS {sketch}_n,"
        f" arrayMap(percent -> arrayFirst((bucket, seen_) -> 100 * seen_ > percent * ({sketch}_n - 1),"
        f" {sketch}_buckets, {sketch}_seen), {percents}) AS {sketch}_quantiles"
    )


def _declared_metrics(catalogue: Catalogue) -> Iterable[str]:
    """The metrics whose form the catalogue says, each with its n."""
    percents, units = _percents(catalogue), {one.name: one.unit for one in catalogue.measures}
    quanta = {one.counts.name: one.counts.quantum for one in catalogue.instruments.declared}
    fields: dict[str, str] = {}
    places = {name: place for place, name in enumerate(catalogue.statistics, 1)}
    for metric in catalogue.metrics.values():
        computed, n = metric.computed, ""
        if metric.statistic and (metric.statistic.of or metric.statistic.histogram):
            n, scale = f"n_[{places[metric.name]}]", "100 * " if metric.unit in ("points", "percent") else ""
            quantum = quanta.get(metric.statistic.histogram or "", MICRO) if metric.unit == "score" else MICRO
            by_quantum = "" if quantum == MICRO else f" * {quantum} / {MICRO}"
            fields[metric.name] = f"{scale}s_[{places[metric.name]}]{by_quantum} / nullIf({n}, 0)"
        elif computed is None or computed.formula:
            continue
        elif computed.sketch and computed.percent:
            place, n = percents[computed.sketch].index(computed.percent) + 1, f"{computed.sketch}_n"
            fields[metric.name] = f"if({n} = 0, NULL, sketched({computed.sketch}_quantiles[{place}]))"
        elif computed.sum:
            n, unit = f"sum_{computed.n}", units[computed.sum]
            scaled = f"sum_{computed.sum} / {unit}" if unit > 1 else f"sum_{computed.sum}"
            fields[metric.name] = f"if({n} = 0, NULL, {scaled} / {n})"
        else:
            fields[metric.name] = f"sum_{computed.count or computed.by_currency}"
        if n and metric.n:
            fields.setdefault(metric.n, n)
    return (f"{said} AS {name}" for name, said in fields.items())


def _response_rate(field: str) -> str:
    """The share of customers who answered, with n and its interval."""
    rate, answered = f"{field}_response_rate", f"{field}_customers"
    return (
        f"if(customers = 0, NULL, {answered} / customers) AS {rate}, customers AS {rate}_n,"
        f" wilson_low({answered}, customers) AS {rate}_low, wilson_high({answered}, customers) AS {rate}_high"
    )


def _of_letter(number: str) -> str:
    """A number of an event that ClickHouse refused as a row, from its dead letter."""
    column = column_of(number)
    kind = f"Nullable({_LETTER_TYPES[NUMBERS[number]]})"
    return f"JSONExtract(ifNull(value, ''), '{column}', '{kind}') AS {column}"
