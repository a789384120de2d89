-- The offset of the last annotation of a log that is in the table; null where none is.
SELECT if(count() = 0, NULL, max(log_offset)) AS log_offset FROM annotations WHERE log_id = {log_id:String}
