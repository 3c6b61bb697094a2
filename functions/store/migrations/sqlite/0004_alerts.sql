create table alerts (
    id              text not null primary key, -- derived from rule, host, reservation and opened_at
    rule            text not null,
    host            text, -- null: the alert is about the system itself
    reservation_id  text not null default '',
    state           text not null check (state in ('open', 'acknowledged', 'resolved')),
    opened_at       text not null,
    acknowledged_at text,
    acknowledged_by text,
    note            text,
    resolved_at     text,
    cause           text not null, -- JSON
    -- Null once resolved: at most one unresolved alert per rule, station and reservation.
    unresolved_key  text generated always as (case when state <> 'resolved' then rule || '/' || coalesce(host, '') || '/' || reservation_id end) stored unique,
    check ((state = 'resolved') = (resolved_at is not null))
);
create index alerts_host_state on alerts (host, state);
create index alerts_state on alerts (state, opened_at);
create index alerts_opened_at on alerts (opened_at, id);

-- Every step of every alert. The key is natural: a repeated step is the same row.
create table alert_transitions (
    alert_id   text not null,
    at         text not null,
    to_state   text not null check (to_state in ('open', 'acknowledged', 'resolved')),
    from_state text check (from_state in ('open', 'acknowledged', 'resolved')),
    actor      text not null,
    cause      text not null, -- JSON
    note       text,
    primary key (alert_id, at, to_state),
    foreign key (alert_id) references alerts (id) on delete cascade
);
