-- The catalog, and its master. An unknown uploader becomes a row with status `new`.
create table lab_hosts (
    name       varchar(64) not null primary key, -- NFC, upper case
    lab        varchar(191),
    address    varchar(191),
    mac        varchar(191),
    status     varchar(64) not null check (status in ('new', 'active', 'retired')),
    created_at datetime(6) not null
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;

-- What a verdict depends on: JSON under a key.
create table settings (
    `key` varchar(191) not null primary key,
    value longtext not null
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;

-- What is known of a station between two events.
create table lab_station_state (
    host          varchar(64) not null primary key,
    timestamp_utc datetime(6), -- of the latest heartbeat; null: none yet
    advanced_at   datetime(6), -- when a heartbeat of that timestamp was first put: the last advance
    ready         tinyint,
    snapshot      longtext,    -- JSON
    memory        longtext not null, -- JSON: unready_run, nic_baseline, service_state, status
    word          varchar(64) not null,
    word_since    datetime(6) not null,
    word_cause    longtext,    -- JSON
    skew_ms       bigint,
    check_at      datetime(6), -- the next instant at which time alone can change a verdict
    foreign key (host) references lab_hosts (name)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index lab_station_state_check_at on lab_station_state (check_at);
create index lab_station_state_advanced_at on lab_station_state (advanced_at);

-- How long a station was in which state. At most one run of a station has no end.
create table station_state_runs (
    host    varchar(64) not null,
    from_at datetime(6) not null,
    to_at   datetime(6),
    state   varchar(64) not null,
    cause   longtext, -- JSON
    primary key (host, from_at)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index station_state_runs_open on station_state_runs (host, to_at);

-- What the overdue check remembers: one row.
create table overdue_checks (
    id            tinyint not null primary key check (id = 1),
    last_run_at   datetime(6),
    stalled_since datetime(6),
    grace_from    datetime(6)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
insert into overdue_checks (id) values (1);

-- What changed; kept for an hour.
create table updates (
    sequence bigint not null auto_increment primary key,
    at       datetime(6) not null,
    kind     varchar(64) not null,
    host     varchar(64),
    payload  longtext not null -- JSON
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;

create table api_tokens (
    id         varchar(191) not null primary key,
    name       varchar(191) not null,
    role       varchar(64) not null check (role in ('viewer', 'instructor', 'operator', 'admin')),
    sha256     binary(32) not null unique, -- of the token, which is kept nowhere
    created_at datetime(6) not null,
    revoked_at datetime(6)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
