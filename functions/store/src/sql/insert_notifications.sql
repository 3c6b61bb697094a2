insert into notifications (id, receiver, lab, kind, content, state, made_at, next_attempt_at)
values {rows}
{keep id}
