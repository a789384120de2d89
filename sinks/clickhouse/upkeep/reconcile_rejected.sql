-- Events that panes count and ClickHouse would not take as raw rows: they are dead letters instead.
SELECT count() FROM dead_letters FINAL WHERE topic = {topic:String} AND reason = 'rejected'
