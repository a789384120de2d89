-- In the place of admits.sql in windows_panes.sql, where no names are folded. Part of a SELECT list.
touchpoint
