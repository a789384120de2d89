ALTER TABLE dead_letters UPDATE key = NULL, value = NULL, headers = [], detail = 'erased'
WHERE log_id = {log_id:String} AND partition = {partition:UInt32} AND log_offset = {log_offset:UInt64}
