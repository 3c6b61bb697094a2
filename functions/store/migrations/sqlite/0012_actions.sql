-- What a rule proposes or a person wants done to a station.
create table station_actions (
    id             text not null primary key, -- derived from station, kind and what wants it
    host           text not null,
    kind           text not null,
    state          text not null check (state in ('proposed', 'pending', 'claimed', 'unknown', 'done', 'failed', 'expired', 'withdrawn')),
    ordered_by     text not null, -- rule:NAME or person:NAME
    alert_id       text, -- that it answers
    reservation_id text,
    approved_by    text,
    ordered_at     text not null,
    not_before     text not null,
    expires_at     text not null,
    claimed_by     text, -- a gateway
    claimed_until  integer, -- in seconds since 1970, by the database's clock
    issued_at      text, -- written before it was sent
    settled_at     text,
    message        text,
    output         text, -- JSON: what the command was given and wrote
    check ((state = 'claimed') = (claimed_by is not null)),
    check ((claimed_by is null) = (claimed_until is null)),
    check ((state in ('done', 'failed', 'expired', 'withdrawn')) = (settled_at is not null))
);
create index station_actions_host on station_actions (host, state);
create index station_actions_state on station_actions (state);
create index station_actions_alert on station_actions (alert_id);
create index station_actions_ordered_at on station_actions (ordered_at, id);
