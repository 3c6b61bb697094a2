-- Dictionaries of compressed bodies; never deleted.
create table raw_dictionaries (
    id         int not null primary key, -- the first 31 bits of sha256
    bytes      longblob not null,
    sha256     binary(32) not null,
    created_at datetime(6) not null          -- the newest is used for new rows
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;

-- Every heartbeat once. Small rows and no further index: a station writes half a million a year.
create table lab_station_heartbeat (
    host                    varchar(64) not null,
    timestamp_utc           datetime(6) not null, -- the station's clock
    first_arrived_at        datetime(6) not null, -- first PUT of this host and timestamp, whatever its bytes
    arrived_at              datetime(6),          -- PUT of the body that won; null: the first one
    ingested_at             datetime(6) not null,
    sha256                  binary(32) not null,    -- of the body as received
    raw_format              tinyint not null,    -- 1: raw is zstd; 2: raw_json; 3: raw_json without its byte order mark
    raw_dictionary          int,
    raw                     longblob,
    raw_json                longtext,
    raw_length              int not null,     -- bytes of the body
    ready                   tinyint not null,
    state                   mediumtext,
    issues                  longtext not null,    -- JSON array
    local_session_active    tinyint,
    local_mode_enabled      tinyint,
    nic_issue_count         bigint,
    sleep_compliant         tinyint,
    hibernate_compliant     tinyint,
    last_prepare_at         datetime(6),
    last_prepare_success    tinyint,
    last_release_at         datetime(6),
    last_power_action_at    datetime(6),
    last_power_mode         mediumtext,
    last_forced_logoff_at   datetime(6),
    last_forced_logoff_user mediumtext,
    version                 mediumtext,
    reservation_id          varchar(191),
    primary key (host, timestamp_utc)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;

-- Other bodies of the same host and timestamp.
create table lab_station_heartbeat_variants (
    host           varchar(64) not null,
    timestamp_utc  datetime(6) not null,
    sha256         binary(32) not null,
    arrived_at     datetime(6) not null,
    ingested_at    datetime(6) not null,
    raw_format     tinyint not null, -- as in lab_station_heartbeat
    raw_dictionary int,
    raw            longblob,
    raw_json       longtext,
    raw_length     int not null,
    primary key (host, timestamp_utc, sha256)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
