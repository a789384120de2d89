-- Panes of before the edition's time, and of logs that are no more. A condition.
toUnixTimestamp64Milli(pane_start) < {from_ms:Int64} OR NOT has({logs:Array(String)}, log_id)
