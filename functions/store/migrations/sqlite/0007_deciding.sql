-- Who takes an alert can say for how long; after that it is open again.
alter table alerts add column acknowledged_until text;
alter table alert_transitions add column acknowledged_until text;

-- Every transition since this table is there, once: news of it are owed until it is planned who is told. Written with the transition.
create table notifications_owed (
    alert_id   text not null,
    at         text not null,
    to_state   text not null check (to_state in ('open', 'acknowledged', 'resolved')),
    owed_at    text not null,
    look_at    text, -- when it is looked at, or looked at again; null: it is planned
    planned_at text,
    primary key (alert_id, at, to_state),
    foreign key (alert_id) references alerts (id) on delete cascade,
    check ((look_at is null) = (planned_at is not null))
);
create index notifications_owed_look_at on notifications_owed (look_at);

-- What was decided about a transition and a receiver, and why: a row for each decision that is new or other than the one before.
create table notification_decisions (
    alert_id   text not null,
    at         text not null,
    to_state   text not null,
    receiver   text not null default '', -- '': everybody
    decided_at text not null,
    telling    text not null check (telling in ('held', 'told', 'untold')),
    because    text not null, -- JSON
    primary key (alert_id, at, to_state, receiver, decided_at),
    foreign key (alert_id, at, to_state) references notifications_owed (alert_id, at, to_state) on delete cascade
);

-- Who heard that an alert opened, and has not heard yet that it is over.
create table notification_hearings (
    alert_id  text not null,
    receiver  text not null,
    at        text not null, -- of the opening that was heard
    to_state  text not null,
    heard     text not null check (heard in ('opened', 'flapping')),
    remind_at text, -- null: never
    ended_at  text,
    primary key (alert_id, receiver),
    foreign key (alert_id, at, to_state) references notifications_owed (alert_id, at, to_state) on delete cascade,
    check (ended_at is null or remind_at is null)
);
create index notification_hearings_remind_at on notification_hearings (remind_at);
create index notification_hearings_ended_at on notification_hearings (ended_at);

-- One at a time decides: one row.
create table notification_planner (
    id          integer not null primary key check (id = 1),
    last_run_at text
);
insert into notification_planner (id) values (1);

-- What mutes notifications.
create table silences (
    id         text not null primary key, -- derived from what it says and when it was set
    host       text,
    lab        text,
    rule       text,
    span       text not null, -- JSON
    over_at    text, -- when it is over by itself; null: not known
    reason     text not null,
    author     text not null,
    created_at text not null,
    ended_at   text -- when somebody, or what it waited for, ended it
);
create index silences_created_at on silences (created_at, id);
