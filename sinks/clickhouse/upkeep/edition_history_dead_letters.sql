-- Dead letters below what is read again, those that were emptied, and those of logs that are no more. A condition.
arrayExists(
    (log, lane, below) -> log = log_id AND lane = partition AND log_offset < below,
    {logs:Array(String)}, {partitions:Array(UInt32)}, {begins:Array(UInt64)})
OR NOT has({logs:Array(String)}, log_id)
