-- What is done to stations for reservations, a row a step. It is opened before the step.
create table reservation_operations (
    id             text not null primary key, -- derived from reservation, run, action and attempt
    reservation_id text not null,
    host           text not null,
    lab            text,
    run            text not null, -- scheduled:N, asked:KEY, or STATUS:N for what was decided after N runs
    action         text not null,
    attempt        integer not null,
    status         text not null check (status in ('running', 'completed', 'failed', 'unknown', 'blocked_local_mode', 'blocked_local_session', 'gave_up')),
    success        integer,
    response_code  integer, -- HTTP-like for a wake and for the schedule, else the exit code
    message        text,
    packets        integer, -- rounds of magic packets; 0: it was up
    started_at     text not null,
    finished_at    text,
    ordered_by     text not null, -- schedule, rule:NAME or person:NAME
    output         text, -- JSON: what the command was given and wrote
    check ((status = 'running') = (finished_at is null))
);
create index reservation_operations_reservation on reservation_operations (reservation_id, started_at);
create index reservation_operations_host on reservation_operations (host, started_at);
create index reservation_operations_started_at on reservation_operations (started_at, id);

-- Who acts on a station now, and what they are about.
create table station_leases (
    host         text not null primary key,
    holder       text not null,
    leased_until integer not null, -- in seconds since 1970, by the database's clock
    run          text not null, -- JSON
    begun_at     text not null,
    stop_asked_by text -- a person who wants it to end
);

-- Local mode or a local session shall not stand in the way of these reservations.
create table reservation_overrides (
    reservation_id text not null primary key,
    said_by        text not null,
    reason         text,
    said_at        text not null
);
