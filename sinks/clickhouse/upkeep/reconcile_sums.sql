-- What a pane says, as text for each measure, in the order of reconcile_measures.sql. An expression over columns of panes;
-- maps in the order of their keys, and without what added up to nothing.
[{recomputed_texts}]
