-- Answers to a target and to what may be its drivers: (known, person, target, item, score), one row an answer. An answer
-- to the instrument `target`, at the place `target_at` where one is named, is the target and no driver. Other answers to
-- the instrument `answers` are drivers by the dimension `by`: `item`. FINAL: a touch that was inserted twice is one.
-- `filters`, `person_of_touch`, `owners_of_anonymous_ids`: the texts of those names.
SELECT
    {person_of_touch},
    touch.target AS target, touch.item AS item, touch.score AS score
FROM
(
    WITH
        multiIf({by:String} = 'stage', toString(stage), {by:String} = 'channel', toString(channel), toString(touchpoint)) AS place,
        ({target_at:Array(String)} = [] OR has({target_at:Array(String)}, place)) AS targeted,
        multiIf({target:String} = 'nps', nps, {target:String} = 'csat', csat, ces) AS wanted,
        multiIf({answers:String} = 'nps', nps, {answers:String} = 'csat', csat, ces) AS offered
    SELECT customer_id, anonymous_id, answer.1 AS target, answer.2 AS item, assumeNotNull(answer.3) AS score
    FROM journey_touches FINAL
    ARRAY JOIN
    [
        (true, '', if(targeted, wanted, NULL)),
        (false, place, if(targeted AND {answers:String} = {target:String}, NULL, offered))
    ] AS answer
    WHERE occurred_at >= fromUnixTimestamp64Milli({raw_from:Int64}, 'UTC')
      AND occurred_at <  fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC')
      AND {still_counts}
      AND {filters}
      AND isNotNull(answer.3)
) AS touch
LEFT ANY JOIN ({owners_of_anonymous_ids}) AS who ON touch.anonymous_id = who.anonymous_id
