create table reservations (
    id       varchar(191) not null primary key,
    lab      varchar(191),
    host     varchar(64) not null,
    start_at datetime(6) not null,
    end_at   datetime(6) not null,
    status   varchar(64) not null check (status in ('confirmed', 'active', 'completed', 'cancelled')),
    who      mediumtext
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index reservations_host_end_at on reservations (host, end_at);
create index reservations_end_at on reservations (end_at);

-- Every line of session-guard-events.jsonl, once. The keys stand for what may be null or long.
create table lab_host_events (
    host        varchar(64) not null,
    timestamp   datetime(6) not null, -- the station's clock
    user_key    varbinary(512) not null, -- '' for none, else '=' and the name (a long one: its beginning and SHA-256)
    session_key bigint not null,     -- the least of all numbers for none
    occurrence  int not null,     -- 0 for the first of that key
    `user`      mediumtext,
    session_id  bigint,
    grace       bigint,
    `force`     tinyint,
    message     longtext,
    source      mediumtext,
    state       mediumtext,
    line_number bigint not null,
    line_offset bigint not null,     -- bytes
    primary key (host, timestamp, user_key, session_key, occurrence)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;

-- How far the trail of an object was read.
create table host_event_cursors (
    host           varchar(64) not null,
    object_key     varbinary(512) not null,
    consumed_bytes bigint not null,
    consumed_lines bigint not null,
    version        mediumtext,
    tail_length    bigint not null, -- bytes that tail_sha256 covers: other ones mean that the file was replaced
    tail_sha256    binary(32),
    primary key (host, object_key)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;

-- Forced logoffs that a heartbeat or an INI mentions, until their line of the trail was found.
create table forced_logoff_sightings (
    host          varchar(64) not null,
    logged_off_at datetime(6) not null,
    heartbeat     longtext, -- JSON: as the heartbeat shows it
    service_state longtext, -- JSON: as the INI shows it
    last_seen_at  datetime(6), -- timestamp of the heartbeat it was last seen in
    noticed_at    datetime(6) not null,
    settled       tinyint not null,
    primary key (host, logged_off_at)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index forced_logoff_sightings_pending on forced_logoff_sightings (settled, noticed_at);

-- Forced logoffs as they were found.
create table reservation_forced_logoffs (
    host           varchar(64) not null,
    timestamp      datetime(6) not null,
    user_key       varbinary(512) not null, -- as in lab_host_events
    session_key    bigint not null,
    occurrence     int not null,
    `user`         mediumtext,
    session_id     bigint,
    grace          bigint,
    `force`        tinyint,
    message        longtext,
    source         mediumtext,
    reservation_id varchar(191),
    found_in       varchar(64) not null check (found_in in ('jsonl', 'service_state', 'heartbeat')),
    primary key (host, timestamp, user_key, session_key, occurrence)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index reservation_forced_logoffs_timestamp on reservation_forced_logoffs (timestamp);
create index reservation_forced_logoffs_reservation on reservation_forced_logoffs (reservation_id, timestamp);
