-- In the place of touch_details.sql: a third less to hold of each touch.
'', '', ''
