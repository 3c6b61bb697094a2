-- Who takes an alert can say for how long; after that it is open again.
alter table alerts add column acknowledged_until datetime(6);
alter table alert_transitions add column acknowledged_until datetime(6);

-- Every transition since this table is there, once: news of it are owed until it is planned who is told. Written with the transition.
create table notifications_owed (
    alert_id   varchar(191) not null,
    at         datetime(6) not null,
    to_state   varchar(64) not null check (to_state in ('open', 'acknowledged', 'resolved')),
    owed_at    datetime(6) not null,
    look_at    datetime(6), -- when it is looked at, or looked at again; null: it is planned
    planned_at datetime(6),
    primary key (alert_id, at, to_state),
    foreign key (alert_id) references alerts (id) on delete cascade,
    check ((look_at is null) = (planned_at is not null))
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index notifications_owed_look_at on notifications_owed (look_at);

-- What was decided about a transition and a receiver, and why: a row for each decision that is new or other than the one before.
create table notification_decisions (
    alert_id   varchar(191) not null,
    at         datetime(6) not null,
    to_state   varchar(64) not null,
    receiver   varchar(191) not null default '', -- '': everybody
    decided_at datetime(6) not null,
    telling    varchar(64) not null check (telling in ('held', 'told', 'untold')),
    because    longtext not null, -- JSON
    primary key (alert_id, at, to_state, receiver, decided_at),
    foreign key (alert_id, at, to_state) references notifications_owed (alert_id, at, to_state) on delete cascade
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;

-- Who heard that an alert opened, and has not heard yet that it is over.
create table notification_hearings (
    alert_id  varchar(191) not null,
    receiver  varchar(191) not null,
    at        datetime(6) not null, -- of the opening that was heard
    to_state  varchar(64) not null,
    heard     varchar(64) not null check (heard in ('opened', 'flapping')),
    remind_at datetime(6), -- null: never
    ended_at  datetime(6),
    primary key (alert_id, receiver),
    foreign key (alert_id, at, to_state) references notifications_owed (alert_id, at, to_state) on delete cascade,
    check (ended_at is null or remind_at is null)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index notification_hearings_remind_at on notification_hearings (remind_at);
create index notification_hearings_ended_at on notification_hearings (ended_at);

-- One at a time decides: one row.
create table notification_planner (
    id          tinyint not null primary key check (id = 1),
    last_run_at datetime(6)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
insert into notification_planner (id) values (1);

-- What mutes notifications.
create table silences (
    id         varchar(191) not null primary key, -- derived from what it says and when it was set
    host       varchar(64),
    lab        varchar(191),
    rule       varchar(64),
    span       longtext not null, -- JSON
    over_at    datetime(6), -- when it is over by itself; null: not known
    reason     longtext not null,
    author     mediumtext not null,
    created_at datetime(6) not null,
    ended_at   datetime(6) -- when somebody, or what it waited for, ended it
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index silences_created_at on silences (created_at, id);
