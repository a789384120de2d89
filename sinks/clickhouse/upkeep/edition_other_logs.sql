-- Rows of logs that are no more. A condition.
NOT has({logs:Array(String)}, log_id)
