-- The outbox: what is owed to receivers, each message once. Its content never changes.
create table notifications (
    id              text not null primary key, -- derived from receiver, kind and news; the idempotency key
    receiver        text not null,
    lab             text, -- null: stations of no laboratory, or the system itself
    kind            text not null,
    content         text not null, -- JSON: the whole message
    state           text not null check (state in ('pending', 'sent', 'dead')),
    made_at         text not null,
    attempts        integer not null default 0,
    next_attempt_at text not null, -- while somebody delivers it: when the claim ends
    last_error      text,
    reached         text, -- JSON: of several people behind one receiver, those who have it
    settled_at      text, -- when it was sent, or given up
    check ((state = 'pending') = (settled_at is null))
);
create index notifications_due on notifications (state, receiver, next_attempt_at);
create index notifications_made_at on notifications (made_at, id);
create index notifications_settled_at on notifications (settled_at);
