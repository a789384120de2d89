-- Each person's runs of touches in one stage in a journey, in arrays with one element for each: `firsts` (the first touch,
-- a tuple), `lasts` (when the last one was), `counts` (touches), `passes` (numbers), `after_ends`, and `borders`: whether
-- it is in another pass than the run before. `person_touches`, `journey_paths`: the files.
SELECT
    journey, known, person, stages, befores, firsts, lasts, counts,
    -- What a run says of those after it: 2, the pass is over; 1, it isn't, for one begins here at the latest; 0, nothing.
    arrayMap((one, fresh, opens) -> multiIf(has(ends_, one.3), 2, fresh OR opens, 1, 0), firsts, fresh_, opens_) AS said,
    arrayPushFront(arrayPopBack(arrayFill(one -> one != 0, said)), 1) AS said_before,
    arrayCumSum(arrayMap((fresh, opens, before) -> fresh OR (before = 2 AND opens), fresh_, opens_, said_before)) AS passes,
    arrayMap((fresh, opens, before) -> NOT fresh AND before = 2 AND NOT opens, fresh_, opens_, said_before) AS after_ends,
    arrayMap(
        (pass_, after_, pass_before, after_before) -> pass_ != pass_before OR after_ != after_before,
        passes, after_ends, arrayPushFront(arrayPopBack(passes), 0), arrayPushFront(arrayPopBack(after_ends), 0)) AS borders
FROM
(
    SELECT
        journey, known, person, stages, befores, ends_,
        arrayFilter((one, new) -> new, moving, news) AS firsts,
        arrayFilter((at, ends) -> ends, moving.1, arrayPushBack(arrayPopFront(news), true)) AS lasts,
        arrayFilter((number_, new) -> new, arrayEnumerate(moving), news) AS numbers,
        arrayMap((number_, next) -> toUInt64(next - number_),
            numbers, arrayPushBack(arrayPopFront(numbers), length(moving) + 1)) AS counts,
        -- Whether a silence went before it, or nothing; and whether a pass may begin with it.
        arrayMap((epoch, before) -> epoch != before, run_epochs, arrayPushFront(arrayPopBack(run_epochs), 0)) AS fresh_,
        arrayMap(one -> empty(starts_) OR has(starts_, one.3), firsts) AS opens_,
        arrayFilter((epoch, new) -> new, epochs, news) AS run_epochs
    FROM
    (
        SELECT
            journey, known, person, stages, befores, starts_, ends_, moving, epochs,
            arrayMap(
                (stage_, epoch, stage_before, epoch_before) -> stage_ != stage_before OR epoch != epoch_before,
                moving.3, epochs, arrayPushFront(arrayPopBack(moving.3), ''), arrayPushFront(arrayPopBack(epochs), 0)) AS news
        FROM
        (
            SELECT
                people.journey AS journey, known, person, stages, befores, starts_, ends_,
                -- One more after each silence.
                arrayMap(silences -> toUInt64(silences + 1),
                    arrayCumSum(arrayMap(since -> new_after > 0 AND since >= new_after, arrayDifference(person_touches.1))))
                    AS all_epochs,
                arrayFilter(one -> one.3 != 'undeclared', person_touches) AS moving,
                arrayFilter((epoch, stage_) -> stage_ != 'undeclared', all_epochs, person_touches.3) AS epochs
            FROM ({person_touches}) AS people
            LEFT ANY JOIN ({journey_paths}) AS paths ON people.journey = paths.journey
        )
    )
)
