-- Customers of a row of rolling_source.sql: where they are counted, a group of which nothing is known has 0; else null. An expression.
if({with_customers:Array(Bool)}[place.1], ifNull(counted, 0), NULL)
