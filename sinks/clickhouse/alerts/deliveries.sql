-- How notifications ended at a destination, by their keys; those that are not there have not ended.
SELECT key, argMax(outcome, delivered_at) AS outcome
FROM alert_deliveries
WHERE destination = {destination:String} AND has({keys:Array(String)}, key)
GROUP BY key
