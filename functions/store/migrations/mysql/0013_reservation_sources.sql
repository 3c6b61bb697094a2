-- Where a reservation comes from that nobody made here. Null: the API, or by hand.
alter table reservations add column source varchar(64);
create index reservations_source on reservations (source, end_at);

-- Tables of others that reservations are read from: who reads one now, and what came of the last time.
create table reservation_sources (
    name         varchar(64) not null primary key,
    holder       varchar(191) not null, -- who reads it
    leased_until bigint not null, -- in seconds since 1970, by the database's clock
    tried_at     datetime(6), -- the last time
    read_at      datetime(6), -- the last time that it could be read
    rows_read    bigint not null default 0, -- then
    refused      longtext, -- JSON: the rows that are no reservations, and why; the first of them
    refused_rows bigint not null default 0,
    problem      longtext -- why it could not be read
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
