-- Names that come once are not said to be silent (docs/decisions/0019).
ALTER TABLE series COMMENT COLUMN IF EXISTS admitted 'those that have rows of their own, and the hour in which each was last heard of; 1970 for a name that is not declared and was hardly ever touched: its silence has no row';
