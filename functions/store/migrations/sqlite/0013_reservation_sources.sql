-- Where a reservation comes from that nobody made here. Null: the API, or by hand.
alter table reservations add column source text;
create index reservations_source on reservations (source, end_at);

-- Tables of others that reservations are read from: who reads one now, and what came of the last time.
create table reservation_sources (
    name         text not null primary key,
    holder       text not null, -- who reads it
    leased_until integer not null, -- in seconds since 1970, by the database's clock
    tried_at     text, -- the last time
    read_at      text, -- the last time that it could be read
    rows_read    integer not null default 0, -- then
    refused      text, -- JSON: the rows that are no reservations, and why; the first of them
    refused_rows integer not null default 0,
    problem      text -- why it could not be read
);
