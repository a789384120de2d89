-- Whether a row stands in the log below where history ends. An expression.
arrayExists(
    (log, lane, below) -> log = log_id AND lane = partition AND log_offset < below,
    {logs:Array(String)}, {partitions:Array(UInt32)}, {ends:Array(UInt64)})
