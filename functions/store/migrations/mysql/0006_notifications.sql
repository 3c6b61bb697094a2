-- The outbox: what is owed to receivers, each message once. Its content never changes.
create table notifications (
    id              varchar(191) not null primary key, -- derived from receiver, kind and news; the idempotency key
    receiver        varchar(191) not null,
    lab             varchar(191), -- null: stations of no laboratory, or the system itself
    kind            varchar(64) not null,
    content         longtext not null, -- JSON: the whole message
    state           varchar(64) not null check (state in ('pending', 'sent', 'dead')),
    made_at         datetime(6) not null,
    attempts        int not null default 0,
    next_attempt_at datetime(6) not null, -- while somebody delivers it: when the claim ends
    last_error      longtext,
    reached         longtext, -- JSON: of several people behind one receiver, those who have it
    settled_at      datetime(6), -- when it was sent, or given up
    check ((state = 'pending') = (settled_at is null))
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index notifications_due on notifications (state, receiver, next_attempt_at);
create index notifications_made_at on notifications (made_at, id);
create index notifications_settled_at on notifications (settled_at);
