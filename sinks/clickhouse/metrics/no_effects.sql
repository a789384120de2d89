-- In the place of design effects in counts_of_sums.sql, where raw events tell them. Part of a SELECT list.
NULL AS effects
