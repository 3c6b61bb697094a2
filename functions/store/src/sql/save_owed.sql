insert into notifications_owed (alert_id, at, to_state, owed_at, look_at, planned_at)
values {rows}
{upsert alert_id, at, to_state}
    look_at = {new look_at}, planned_at = {new planned_at}
