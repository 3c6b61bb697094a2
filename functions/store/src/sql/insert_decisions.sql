insert into notification_decisions (alert_id, at, to_state, receiver, decided_at, verdict, because)
values {rows}
{upsert alert_id, at, to_state, receiver, decided_at}
    verdict = {new verdict}, because = {new because}
