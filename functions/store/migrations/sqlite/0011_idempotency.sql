-- Requests that name themselves by a key, so that a repeated one is not carried out again.
create table idempotency_keys (
    token_id        text not null, -- keys of one caller are no keys of another
    idempotency_key text not null,
    request_sha256  blob not null, -- of method, address and body
    claimed_by      text not null, -- who answers it: a word of their own
    claimed_until   text not null, -- a lease: from then on somebody else may carry it out
    answer          text, -- JSON; null: not answered yet
    expires_at      text not null,
    primary key (token_id, idempotency_key)
) without rowid;
create index idempotency_keys_expires_at on idempotency_keys (expires_at);
