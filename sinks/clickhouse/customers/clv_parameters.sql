-- The parameters in force for each currency, or for one.
SELECT * REPLACE (toString(currency) AS currency)
FROM clv_parameters FINAL
WHERE empty({currencies:Array(String)}) OR has({currencies:Array(String)}, toString(clv_parameters.currency))
ORDER BY clv_parameters.currency, fitted_at DESC, version
LIMIT 1 BY clv_parameters.currency
