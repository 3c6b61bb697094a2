-- The catalog, and its master. An unknown uploader becomes a row with status `new`.
create table lab_hosts (
    name       text not null primary key, -- NFC, upper case
    lab        text,
    address    text,
    mac        text,
    status     text not null check (status in ('new', 'active', 'retired')),
    created_at text not null
);

-- What a verdict depends on: JSON under a key.
create table settings (
    "key" text not null primary key,
    value text not null
);

-- What is known of a station between two events.
create table lab_station_state (
    host          text not null primary key,
    timestamp_utc text, -- of the latest heartbeat; null: none yet
    advanced_at   text, -- when a heartbeat of that timestamp was first put: the last advance
    ready         integer,
    snapshot      text,    -- JSON
    memory        text not null, -- JSON: unready_run, nic_baseline, service_state, status
    word          text not null,
    word_since    text not null,
    word_cause    text,    -- JSON
    skew_ms       integer,
    check_at      text, -- the next instant at which time alone can change a verdict
    foreign key (host) references lab_hosts (name)
);
create index lab_station_state_check_at on lab_station_state (check_at);
create index lab_station_state_advanced_at on lab_station_state (advanced_at);

-- How long a station was in which state. At most one run of a station has no end.
create table station_state_runs (
    host    text not null,
    from_at text not null,
    to_at   text,
    state   text not null,
    cause   text, -- JSON
    primary key (host, from_at)
) without rowid;
create index station_state_runs_open on station_state_runs (host, to_at);

-- What the overdue check remembers: one row.
create table overdue_checks (
    id            integer not null primary key check (id = 1),
    last_run_at   text,
    stalled_since text,
    grace_from    text
);
insert into overdue_checks (id) values (1);

-- What changed; kept for an hour.
create table updates (
    sequence integer primary key autoincrement,
    at       text not null,
    kind     text not null,
    host     text,
    payload  text not null -- JSON
);

create table api_tokens (
    id         text not null primary key,
    name       text not null,
    role       text not null check (role in ('viewer', 'instructor', 'operator', 'admin')),
    sha256     blob not null unique, -- of the token, which is kept nowhere
    created_at text not null,
    revoked_at text
);
