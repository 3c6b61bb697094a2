-- What a list shows of a station and its state alone decides, as the API writes it: written with the state. Null: something is done to the station, or
-- nobody wrote its state since this column was made; a list then reads the whole state. Whoever changes what the API says of a station makes it null.
alter table lab_station_state add column listed longtext; -- JSON
