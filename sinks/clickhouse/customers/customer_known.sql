-- Whose an id is. `customer`: it is a customer's, with touches or by an identification; `anonymous`: an anonymous id;
-- `owner`: the customer whose anonymous id it is, else empty. `owners_of_anonymous_ids`: owners_of_anonymous_ids.sql.
SELECT
    notEmpty((SELECT groupArray(1)(1) FROM (SELECT 1 FROM journey_touches WHERE customer_id = {id:String} LIMIT 1)))
        OR notEmpty((SELECT groupArray(1)(1) FROM (SELECT 1 FROM identities WHERE customer_id = {id:String} LIMIT 1)))
        AS customer,
    owner != ''
        OR notEmpty((SELECT groupArray(1)(1) FROM
            (SELECT 1 FROM journey_touches WHERE customer_id = '' AND anonymous_id = {id:String} LIMIT 1)))
        AS anonymous,
    (SELECT any(customer_id) FROM ({owners_of_anonymous_ids}) WHERE anonymous_id = {id:String}) AS owner
