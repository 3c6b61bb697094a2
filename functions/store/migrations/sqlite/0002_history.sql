-- Dictionaries of compressed bodies; never deleted.
create table raw_dictionaries (
    id         integer not null primary key, -- the first 31 bits of sha256
    bytes      blob not null,
    sha256     blob not null,
    created_at text not null          -- the newest is used for new rows
);

-- Every heartbeat once. Small rows and no further index: a station writes half a million a year.
create table lab_station_heartbeat (
    host                    text not null,
    timestamp_utc           text not null, -- the station's clock
    first_arrived_at        text not null, -- first PUT of this host and timestamp, whatever its bytes
    arrived_at              text,          -- PUT of the body that won; null: the first one
    ingested_at             text not null,
    sha256                  blob not null,    -- of the body as received
    raw_format              integer not null,    -- 1: raw is zstd; 2: raw_json; 3: raw_json without its byte order mark
    raw_dictionary          integer,
    raw                     blob,
    raw_json                text,
    raw_length              integer not null,     -- bytes of the body
    ready                   integer not null,
    state                   text,
    issues                  text not null,    -- JSON array
    local_session_active    integer,
    local_mode_enabled      integer,
    nic_issue_count         integer,
    sleep_compliant         integer,
    hibernate_compliant     integer,
    last_prepare_at         text,
    last_prepare_success    integer,
    last_release_at         text,
    last_power_action_at    text,
    last_power_mode         text,
    last_forced_logoff_at   text,
    last_forced_logoff_user text,
    version                 text,
    reservation_id          text,
    primary key (host, timestamp_utc)
);

-- Other bodies of the same host and timestamp.
create table lab_station_heartbeat_variants (
    host           text not null,
    timestamp_utc  text not null,
    sha256         blob not null,
    arrived_at     text not null,
    ingested_at    text not null,
    raw_format     integer not null, -- as in lab_station_heartbeat
    raw_dictionary integer,
    raw            blob,
    raw_json       text,
    raw_length     integer not null,
    primary key (host, timestamp_utc, sha256)
);
