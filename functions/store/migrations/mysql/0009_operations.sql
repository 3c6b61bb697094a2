-- What is done to stations for reservations, a row a step. It is opened before the step.
create table reservation_operations (
    id             varchar(191) not null primary key, -- derived from reservation, run, action and attempt
    reservation_id varchar(191) not null,
    host           varchar(64) not null,
    lab            varchar(191),
    run            varchar(191) not null, -- scheduled:N, asked:KEY, or STATUS:N for what was decided after N runs
    action         varchar(191) not null,
    attempt        int not null,
    status         varchar(64) not null check (status in ('running', 'completed', 'failed', 'unknown', 'blocked_local_mode', 'blocked_local_session', 'gave_up')),
    success        tinyint,
    response_code  int, -- HTTP-like for a wake and for the schedule, else the exit code
    message        longtext,
    packets        int, -- rounds of magic packets; 0: it was up
    started_at     datetime(6) not null,
    finished_at    datetime(6),
    ordered_by     varchar(191) not null, -- schedule, rule:NAME or person:NAME
    output         longtext, -- JSON: what the command was given and wrote
    check ((status = 'running') = (finished_at is null))
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index reservation_operations_reservation on reservation_operations (reservation_id, started_at);
create index reservation_operations_host on reservation_operations (host, started_at);
create index reservation_operations_started_at on reservation_operations (started_at, id);

-- Who acts on a station now, and what they are about.
create table station_leases (
    host         varchar(64) not null primary key,
    holder       varchar(191) not null,
    leased_until bigint not null, -- in seconds since 1970, by the database's clock
    run          longtext not null, -- JSON
    begun_at     datetime(6) not null,
    stop_asked_by varchar(191) -- a person who wants it to end
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;

-- Local mode or a local session shall not stand in the way of these reservations.
create table reservation_overrides (
    reservation_id varchar(191) not null primary key,
    said_by        varchar(191) not null,
    reason         longtext,
    said_at        datetime(6) not null
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
