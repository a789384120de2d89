-- That someone was looked at stays, without who it was.
ALTER TABLE person_views UPDATE customer_id = '', anonymous_id = '' WHERE {person_views_to_erase}
