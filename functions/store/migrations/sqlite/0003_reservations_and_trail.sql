create table reservations (
    id       text not null primary key,
    lab      text,
    host     text not null,
    start_at text not null,
    end_at   text not null,
    status   text not null check (status in ('confirmed', 'active', 'completed', 'cancelled')),
    who      text
);
create index reservations_host_end_at on reservations (host, end_at);
create index reservations_end_at on reservations (end_at);

-- Every line of session-guard-events.jsonl, once. The keys stand for what may be null or long.
create table lab_host_events (
    host        text not null,
    timestamp   text not null, -- the station's clock
    user_key    text not null, -- '' for none, else '=' and the name (a long one: its beginning and SHA-256)
    session_key integer not null,     -- the least of all numbers for none
    occurrence  integer not null,     -- 0 for the first of that key
    "user"      text,
    session_id  integer,
    grace       integer,
    "force"     integer,
    message     text,
    source      text,
    state       text,
    line_number integer not null,
    line_offset integer not null,     -- bytes
    primary key (host, timestamp, user_key, session_key, occurrence)
);

-- How far the trail of an object was read.
create table host_event_cursors (
    host           text not null,
    object_key     text not null,
    consumed_bytes integer not null,
    consumed_lines integer not null,
    version        text,
    tail_length    integer not null, -- bytes that tail_sha256 covers: other ones mean that the file was replaced
    tail_sha256    blob,
    primary key (host, object_key)
);

-- Forced logoffs that a heartbeat or an INI mentions, until their line of the trail was found.
create table forced_logoff_sightings (
    host          text not null,
    logged_off_at text not null,
    heartbeat     text, -- JSON: as the heartbeat shows it
    service_state text, -- JSON: as the INI shows it
    last_seen_at  text, -- timestamp of the heartbeat it was last seen in
    noticed_at    text not null,
    settled       integer not null,
    primary key (host, logged_off_at)
);
create index forced_logoff_sightings_pending on forced_logoff_sightings (settled, noticed_at);

-- Forced logoffs as they were found.
create table reservation_forced_logoffs (
    host           text not null,
    timestamp      text not null,
    user_key       text not null, -- as in lab_host_events
    session_key    integer not null,
    occurrence     integer not null,
    "user"         text,
    session_id     integer,
    grace          integer,
    "force"        integer,
    message        text,
    source         text,
    reservation_id text,
    found_in       text not null check (found_in in ('jsonl', 'service_state', 'heartbeat')),
    primary key (host, timestamp, user_key, session_key, occurrence)
);
create index reservation_forced_logoffs_timestamp on reservation_forced_logoffs (timestamp);
create index reservation_forced_logoffs_reservation on reservation_forced_logoffs (reservation_id, timestamp);
