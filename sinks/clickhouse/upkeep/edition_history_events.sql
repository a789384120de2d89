-- Events of before the edition's time, up to where its lanes take over, and of logs that are no more. A condition.
(toUnixTimestamp64Milli(occurred_at) < {from_ms:Int64} AND {edition_below_end})
OR NOT has({logs:Array(String)}, log_id)
