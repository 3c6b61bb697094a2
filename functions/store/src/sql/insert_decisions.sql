insert into notification_decisions (alert_id, at, to_state, receiver, decided_at, telling, because)
values {rows}
{upsert alert_id, at, to_state, receiver, decided_at}
    telling = {new telling}, because = {new because}
