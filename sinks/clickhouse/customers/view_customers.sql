-- One row for each person and journey. `customers_seen`: the file.
CREATE OR REPLACE VIEW customers AS
{customers_seen}
